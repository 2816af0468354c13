using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Recovery;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Recovery;

/// <summary>A real full file system: a small tmpfs.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly Scratch _scratch;

    public FullDiskTests()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "This test needs root: it mounts a small file system to fill. Run `sudo ./mitos test`.");
        _scratch = new Scratch();
        Tool.Run("mount", "-t", "tmpfs", "-o", "size=256k", "mitos-test", _scratch.Root);
    }

    [Fact]
    public void A_journal_that_does_not_fit_leaves_the_old_one_and_no_draft()
    {
        var path = _scratch["record.json"];
        var old = Records.Sandbox(name: "old");
        Journal.Write(path, old, EngineJson.Default.SandboxRecord);
        Fill();
        Assert.ThrowsAny<IOException>(() => Journal.Write(path, old with { Name = "new", AccessToken = new string('x', 9000) }, EngineJson.Default.SandboxRecord));
        Assert.Equivalent(old, Journal.TryRead(path, EngineJson.Default.SandboxRecord), strict: true);
        Assert.Equal([_scratch["filler"], path], Directory.GetFiles(_scratch.Root).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_layer_that_does_not_fit_is_refused_and_leaves_no_file()
    {
        var store = new LayerStore(_scratch["layers"]);
        Fill();
        Refusal.Check(ErrorCode.Exhausted, _scratch["layers"], () => store.Create(1 << 30));
        Assert.Empty(Directory.GetFiles(_scratch["layers"]));
    }

    public void Dispose()
    {
        Tool.Run("umount", _scratch.Root);
        _scratch.Dispose();
    }

    private void Fill()
    {
        using var filler = File.Create(_scratch["filler"], bufferSize: 0);
        var full = false;
        for (var i = 0; i < 1000 && !full; i++)
        {
            try
            {
                filler.Write(new byte[4096]);
            }
            catch (IOException)
            {
                full = true;
            }
        }
        Assert.True(full);
    }
}
