using Mitos.Linux.Processes;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Processes;

/// <summary>A root that has nothing but what was named.</summary>
public sealed class MountNamespaceTests : IDisposable
{
    private readonly Scratch _scratch;

    public MountNamespaceTests()
    {
        Needs.Root("only root makes mount namespaces");
        _scratch = new Scratch();
    }

    [Fact]
    public void A_process_sees_what_was_named_itself_and_devices()
    {
        Directory.CreateDirectory(_scratch["at"]);
        File.WriteAllText(_scratch["file"], "named");
        File.WriteAllText(_scratch["other"], "not named");
        var before = File.ReadAllText("/proc/self/mountinfo");
        using var mounts = MountNamespace.Make(_scratch["at"], ["/usr", "/bin", "/lib", "/lib64", _scratch["file"], _scratch["missing"]], []);
        Assert.Equal(before, File.ReadAllText("/proc/self/mountinfo"));
        Assert.Empty(Directory.GetFileSystemEntries(_scratch["at"]));
        var seen = Run(mounts, $"echo /*; echo {_scratch.Root}/*; cat {_scratch["file"]}; echo; echo /proc/[0-9]*; readlink /bin; stat -c %a /dev/net/tun; echo x >/dev/null; head -c 3 /dev/urandom | wc -c");
        Assert.Equal(["/bin /dev /lib /lib64 /proc /tmp /usr", _scratch["file"], "named"], seen[..3]);
        Assert.DoesNotContain(' ', seen[3]); // the shell alone
        Assert.Equal(["usr/bin", "666", "3"], seen[4..]);
        Assert.Contains("Read-only file system", Run(mounts, $"echo x 2>&1 >{_scratch["file"]}; echo x >/new", asRoot: true)[0], StringComparison.Ordinal);
        Assert.Equal("named", File.ReadAllText(_scratch["file"]));
    }

    [Fact]
    public void Others_can_be_written_to_and_what_the_host_unmounts_later_is_not_held()
    {
        Directory.CreateDirectory(_scratch["at"]);
        Directory.CreateDirectory(_scratch["others"]);
        using var mounts = MountNamespace.Make(_scratch["at"], ["/usr", "/bin", "/lib", "/lib64"], [_scratch["others"]]);
        Assert.Empty(Run(mounts, $"echo written >{_scratch["others"]}/file", asRoot: true));
        Assert.Equal("written\n", File.ReadAllText(_scratch["others"] + "/file"));
        Directory.Delete(_scratch["at"]); // nothing is mounted there
    }

    [Fact]
    public void Where_none_can_be_made_it_is_said() =>
        Assert.Equal("mount", Assert.Throws<LinuxException>(() => MountNamespace.Make(_scratch["none"], [], [])).Call);

    public void Dispose() => _scratch.Dispose();

    private static string[] Run(Microsoft.Win32.SafeHandles.SafeFileHandle mounts, string script, bool asRoot = false) =>
        Spawned.Run(options => options with { Path = "/bin/sh", Arguments = ["sh", "-c", "exec 2>&1; " + script], Mounts = mounts, UserId = asRoot ? null : 2_000_012_345 }).Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
