using System.Diagnostics;
using System.Text.Json.Nodes;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;

namespace Mitos.MachineTests;

/// <summary>The disk that a fork captured, seen from the host as one would see it whose guest lost its power at that instant.</summary>
public sealed class DiskTests(MachineFixture machines)
{
    /// <summary>Files that are made, flushed, renamed and deleted, and directories with them, as fast as it goes.</summary>
    private const string Writer = """
        import os, random, shutil, sys
        os.makedirs('/var/churn/' + sys.argv[1])
        os.chdir('/var/churn/' + sys.argv[1])
        n = 0
        while True:
            n += 1
            with open('new', 'wb') as file:
                file.write(os.urandom(random.randrange(1, 30000)))
                if n % 3 == 0:
                    file.flush()
                    os.fsync(file.fileno())
            os.makedirs(f'd{n % 40}', exist_ok=True)
            os.rename('new', f'd{n % 40}/{n}')
            if n % 7 == 0:
                os.rename(f'd{n % 40}', 'going')
                shutil.rmtree('going')
            with open('count', 'w') as file:
                file.write(str(n))
        """;

    [Fact]
    public async Task The_disk_of_a_child_as_it_was_captured_amid_heavy_writes_is_sound_to_e2fsck()
    {
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, $"cat > /root/churn.py <<'E'\n{Writer}\nE");
        await using var writers = await machines.StartAsync(source.Id, "for i in 1 2 3; do python3 /root/churn.py $i & done; wait");
        for (var fork = 1; fork <= 2; fork++)
        {
            await machines.RunAsync(source.Id, $"for i in 1 2 3; do until [ 0$(cat /var/churn/$i/count) -gt {fork * 100} ]; do sleep 0.1; done; done 2>/dev/null");
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            var image = Path.Combine(machines.Options.StateDirectory, "captured.raw");
            try
            {
                CopyCaptured(Insides.StoreOf(machines.Engine).Get(child.Id).Machine!, image);
                var (replayed, replay) = Run("e2fsck", "-p", image); // what a boot does before it mounts
                Assert.True(replayed is 0 or 1, replay);
                Assert.Contains("recovering journal", replay, StringComparison.Ordinal);
                var (sound, check) = Run("e2fsck", "-fn", image);
                Assert.True(sound == 0, check);
            }
            finally
            {
                File.Delete(image);
            }
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
    }

    /// <summary>Copies the frozen part of a machine's disk: all but what the machine has written since it began.</summary>
    private static void CopyCaptured(Machine machine, string to)
    {
        var layers = Insides.HostOf(machine).Layers;
        var node = new JsonObject { ["driver"] = "raw", ["file"] = FileNode(machine.Disk.BaseImage) };
        foreach (var layer in machine.Disk.Frozen)
            node = new JsonObject { ["driver"] = "qcow2", ["file"] = FileNode(layers.PathOf(layer)), ["backing"] = node };
        var (code, output) = Run("qemu-img", "convert", "-U", "-O", "raw", "json:" + node.ToJsonString(), to);
        Assert.True(code == 0, output);
    }

    private static JsonObject FileNode(string path) => new() { ["driver"] = "file", ["filename"] = path };

    private static (int Code, string Output) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
