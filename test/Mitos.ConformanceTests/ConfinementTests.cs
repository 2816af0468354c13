using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.SelfTest;
using Mitos.Linux.Processes;

namespace Mitos.ConformanceTests;

/// <summary>What holds a VMM that was broken into, by each driver: what its jailer would do, done by us (docs/decisions/0007).</summary>
public sealed class ConfinementTests : IDisposable
{
    private readonly Drivers _drivers = new();

    public static TheoryData<string> Cases => [.. Drivers.Enabled];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_machine_s_process_has_a_user_limits_and_files_of_its_own_and_no_network(string driver)
    {
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), DriverTests.NewOptions(_drivers), SelfTests.Shape, TestContext.Current.CancellationToken);
        await using var one = await rig.StartMachineAsync(TestContext.Current.CancellationToken);
        await using var other = await rig.StartMachineAsync(TestContext.Current.CancellationToken);
        var spec = one.Machine.Spec;
        var process = new Proc(one.Machine.Vmm.Process.Id);
        var id = spec.UserId.ToString(CultureInfo.InvariantCulture);

        Assert.NotEqual(spec.UserId, other.Machine.Spec.UserId);
        Assert.Equal(Enumerable.Repeat(id, 4), process.Status("Uid").Split('\t'));
        Assert.Equal(Enumerable.Repeat(id, 4), process.Status("Gid").Split('\t'));
        Assert.DoesNotContain("0", process.Status("Groups").Split(' '));
        foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapAmb"])
            Assert.Equal(0UL, Convert.ToUInt64(process.Status(set), 16));
        Assert.Equal("1", process.Status("NoNewPrivs"));
        Assert.Matches(@"Max open files\s+1024\s+1024\s", process.Read("limits"));
        Assert.Matches(@"Max core file size\s+0\s+0\s", process.Read("limits"));
        Assert.Equal(process.Link("ns/net"), new Proc(other.Machine.Vmm.Process.Id).Link("ns/net"));
        Assert.NotEqual(new Proc(Environment.ProcessId).Link("ns/net"), process.Link("ns/net"));
        Assert.All(process.Read("net/dev").Split('\n').Where(line => line.Contains(':') && !line.Contains('[')), line => Assert.StartsWith("lo:", line.Trim(), StringComparison.Ordinal));
        foreach (var controller in (string[])["memory", "cpu", "pids"])
            Assert.True(IsLimited(process, controller, spec.Id), $"{controller} is not limited: {process.Read("cgroup")}");

        // Nothing of the engine's can be reached by its path, nor a neighbour's files by anything.
        foreach (var path in (string[])[rig.Host.Layers.PathOf(spec.ActiveLayer), rig.Host.Layers.PathOf(other.Machine.Spec.ActiveLayer), other.Machine.Spec.RunDirectory])
            Assert.NotEqual("", ErrorOfReading(path, spec.UserId));
        Assert.All(process.Descriptors(), target => Assert.DoesNotContain(other.Machine.Spec.ActiveLayer.ToString(), target, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_machine_s_process_sees_nothing_of_the_host_but_its_program_and_devices(string driver)
    {
        var options = DriverTests.NewOptions(_drivers);
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), options, SelfTests.Shape, TestContext.Current.CancellationToken);
        await using var one = await rig.StartMachineAsync(TestContext.Current.CancellationToken);
        await using var other = await rig.StartMachineAsync(TestContext.Current.CancellationToken);
        var process = new Proc(one.Machine.Vmm.Process.Id);
        Assert.NotEqual(new Proc(Environment.ProcessId).Link("ns/mnt"), process.Link("ns/mnt"));
        Assert.Equal(process.Link("ns/mnt"), new Proc(other.Machine.Vmm.Process.Id).Link("ns/mnt"));

        // by the process's own root, with the rights of root
        var files = rig.Host.Driver.Files.Concat(options.VmmFiles).Append(options.RunDirectory + "/v").ToList();
        Assert.Equal(files.Where(Path.Exists).Concat(["/dev", "/proc"]).Select(file => file.Split('/')[1]).Distinct().Order(StringComparer.Ordinal), process.List("/"));
        Assert.Empty(process.List("/dev").Except(["kvm", "net", "null", "random", "urandom", "zero"]));
        foreach (var path in (string[])["/etc/passwd", "/etc/shadow", "/root", "/home", "/sys/kernel", options.StateDirectory, options.RunDirectory + "/lock", rig.Host.Layers.PathOf(one.Machine.Spec.ActiveLayer), "/proc/cmdline", "/proc/sys"])
            Assert.False(process.Sees(path), path);
        Assert.All(process.Mounts(), mount => Assert.True(mount.Options.Contains("nosuid") && (mount.Options.Contains("ro") || mount.Place == "/proc" || mount.Place.StartsWith("/dev/", StringComparison.Ordinal) || files.Contains(mount.Place)), $"{mount}"));

        // and with its own
        if (rig.Host.Driver.Files.Contains("/usr"))
        {
            foreach (var path in (string[])["/etc/passwd", options.StateDirectory, $"/proc/{other.Machine.Vmm.Process.Id}", "/proc/1/cmdline"])
                Assert.Contains("No such file or directory", List(path, one.Machine.Spec.UserId, one.Machine.Spec.Mounts), StringComparison.Ordinal);
            Assert.Contains("Permission denied", List(one.Machine.Spec.RunDirectory, one.Machine.Spec.UserId, one.Machine.Spec.Mounts), StringComparison.Ordinal);
            Assert.Contains("qemu-system-x86_64", List("/usr/bin", one.Machine.Spec.UserId, one.Machine.Spec.Mounts), StringComparison.Ordinal);
        }
    }

    public void Dispose() => _drivers.Dispose();

    // Version 2 has one group for all; version 1 one for each controller.
    private static bool IsLimited(Proc process, string controller, string machine) =>
        process.Read("cgroup").Split('\n').Any(line => line.Split(':', 3) is [_, var controllers, var group]
            && (controllers.Length == 0 || controllers.Split(',').Contains(controller)) && group.EndsWith(machine, StringComparison.Ordinal));

    /// <summary>What the kernel says to a program of that user that lists a path; empty: nothing, it may.</summary>
    private static string ErrorOfReading(string path, int userId) => List(path, userId, null) is var words && words.Contains("Permission denied", StringComparison.Ordinal) ? words : "";

    private static string List(string path, int userId, SafeFileHandle? mounts)
    {
        var log = Path.GetTempFileName();
        using (var file = File.OpenHandle(log, FileMode.Open, FileAccess.Write))
        using (var process = Spawner.Start(new SpawnOptions { Path = "/bin/ls", Arguments = ["ls", path], Descriptors = [(int)file.DangerousGetHandle(), (int)file.DangerousGetHandle(), (int)file.DangerousGetHandle()], UserId = userId, Mounts = mounts }))
            process.Exited.Wait();
        var words = File.ReadAllText(log);
        File.Delete(log);
        return words;
    }

    private sealed record Proc(int Id)
    {
        public bool Sees(string path) => Path.Exists($"/proc/{Id}/root{path}");

        public List<string> List(string path) => Directory.EnumerateFileSystemEntries($"/proc/{Id}/root{path}").Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal).ToList();

        public List<(string Place, string[] Options)> Mounts() => Read("mountinfo").TrimEnd().Split('\n').Select(line => line.Split(' ')).Select(fields => (fields[4], fields[5].Split(','))).ToList();

        public string Read(string file) => File.ReadAllText($"/proc/{Id}/{file}");

        public string Link(string file) => new FileInfo($"/proc/{Id}/{file}").LinkTarget!;

        public string Status(string name) => Read("status").Split('\n').Single(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 1)..].Trim();

        public List<string> Descriptors() => Directory.EnumerateFileSystemEntries($"/proc/{Id}/fd").Select(path => new FileInfo(path).LinkTarget ?? "").ToList();
    }
}
