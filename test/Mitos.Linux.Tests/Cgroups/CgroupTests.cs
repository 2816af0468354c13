using System.Security.Cryptography;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Files;
using Mitos.Linux.Processes;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Cgroups;

/// <summary>On the groups of this host, of whichever version they are.</summary>
public sealed class CgroupTests : IDisposable
{
    private static readonly CgroupLimits Limits = new(64L << 20, 1.5, 20);
    private readonly CgroupHierarchy _host;
    private readonly string _name = $"mitos-test-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";

    public CgroupTests()
    {
        Needs.Root("only root makes groups");
        _host = CgroupHierarchy.Probe();
        Assert.True(_host.Missing.Count == 0, $"This host has cgroups of version {_host.Version} without {string.Join(", ", _host.Missing)}: their tests cannot run.");
    }

    [Fact]
    public void A_group_has_the_limits_that_were_asked()
    {
        var group = Cgroup.Create(_host, _name + "/inner", Limits);
        var expected = _host.Version == 2
            ? new Dictionary<string, string> { ["memory.max"] = $"{64 << 20}", ["pids.max"] = "20", ["cpu.max"] = "150000 100000" }
            : new Dictionary<string, string> { ["memory.limit_in_bytes"] = $"{64 << 20}", ["pids.max"] = "20", ["cpu.cfs_quota_us"] = "150000", ["cpu.cfs_period_us"] = "100000" };
        Assert.All(expected, limit => Assert.Equal(limit.Value, File.ReadAllText(Places(_name + "/inner").Select(place => Path.Combine(place, limit.Key)).Single(File.Exists)).Trim()));
        Assert.Empty(group.Processes());
        Assert.True(group.TryRemove());
        Assert.All(Places(_name + "/inner"), place => Assert.False(Directory.Exists(place)));
        Assert.True(group.TryRemove()); // it is gone
    }

    [Fact]
    public void Rates_of_the_disk_are_the_kernel_s_and_can_be_lifted()
    {
        Assert.SkipUnless(_host.HasDisks, "This host's cgroups have no controller of disks.");
        var disk = BlockDevice.Of("/");
        Assert.SkipWhen(disk is null, "The root file system of this host is on no disk.");
        var group = Cgroup.Create(_host, _name, Limits with { Disks = [new DiskRate(disk, 50 << 20, 2000)] });
        Assert.Equal(_host.Version == 2 ? [$"{disk} rbps=52428800 wbps=52428800 riops=2000 wiops=2000"] : [$"{disk} 2000", $"{disk} 2000", $"{disk} 52428800", $"{disk} 52428800"], DiskLimits());
        group.LimitDisks([new DiskRate(disk, 0, 0)]);
        Assert.Empty(DiskLimits());
        Assert.ThrowsAny<IOException>(() => group.LimitDisks([new DiskRate("4095:77", 1 << 20, 0)]));

        List<string> DiskLimits() => Places(_name).SelectMany(place => (string[])["io.max", "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"], Path.Combine)
            .Where(File.Exists).SelectMany(File.ReadAllLines).Order(StringComparer.Ordinal).ToList();
    }

    [Fact]
    public void A_process_started_into_a_group_is_in_all_of_it_and_keeps_it_until_it_ends()
    {
        var group = Cgroup.Create(_host, _name, Limits);
        var procs = group.OpenProcs();
        using (var cat = new Spawned(options => options with { Cgroups = procs.Select(file => (int)file.DangerousGetHandle()).ToList() }))
        {
            Assert.Equal(_host.Roots.Count, cat.Read("cgroup").Split('\n').Count(line => line.EndsWith("/" + _name, StringComparison.Ordinal)));
            Assert.Equal([cat.Process.Id], group.Processes());
            Assert.Equal([cat.Process.Id], Cgroup.Open(_host, _name).Processes());
            Assert.False(group.TryRemove());
            Assert.Equal([0, 1, 2], Descriptors.Of(cat.Process.Id).Keys);
        }
        procs.ForEach(file => file.Dispose());
        Remove();
    }

    [Fact]
    public void More_memory_than_the_limit_ends_the_process_and_is_counted()
    {
        var group = Cgroup.Create(_host, _name, Limits);
        Assert.Equal(0, group.OutOfMemoryKills());
        Run(group, "head -c 300M /dev/zero | tail -c 300M >/dev/null");
        Assert.Equal(1, group.OutOfMemoryKills());
        Assert.Equal(1, Cgroup.Open(_host, _name).OutOfMemoryKills());
    }

    [Fact]
    public void More_processes_than_the_limit_cannot_be_started()
    {
        using var scratch = new Scratch();
        var group = Cgroup.Create(_host, _name, Limits with { Processes = 5 });
        Run(group, $"for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2 & done 2>/dev/null; wait; echo {scratch["never"]}");
        var events = File.ReadAllLines(Places(_name).Select(place => Path.Combine(place, "pids.events")).Single(File.Exists));
        Assert.NotEqual("max 0", events.Single(line => line.StartsWith("max ", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_group_that_is_there_is_taken_over_with_the_new_limits()
    {
        Cgroup.Create(_host, _name, Limits);
        Cgroup.Create(_host, _name, Limits with { Processes = 7 });
        Assert.Equal("7", File.ReadAllText(Places(_name).Select(place => Path.Combine(place, "pids.max")).Single(File.Exists)).Trim());
    }

    [Fact]
    public void A_limit_that_the_kernel_refuses_is_an_error_and_leaves_no_group()
    {
        Assert.ThrowsAny<IOException>(() => Cgroup.Create(_host, _name, Limits with { Cpus = 0.000_01 }));
        Assert.All(Places(_name), place => Assert.False(Directory.Exists(place)));
    }

    public void Dispose() => Remove();

    private IEnumerable<string> Places(string name) => _host.Roots.Select(root => Path.Combine(root, name));

    private static void Run(Cgroup group, string command)
    {
        var procs = group.OpenProcs();
        using var process = Spawner.Start(new SpawnOptions
        {
            Path = "/bin/sh",
            Arguments = ["sh", "-c", command],
            Descriptors = [0, 0, 0],
            Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin" },
            Cgroups = procs.Select(file => (int)file.DangerousGetHandle()).ToList(),
        });
        procs.ForEach(file => file.Dispose());
        if (!process.Exited.Wait(TimeSpan.FromSeconds(60)))
        {
            process.Kill();
            Assert.Fail($"`{command}` did not end.");
        }
    }

    // The kernel needs a moment to take an ended process out of its groups.
    private void Remove()
    {
        var group = Cgroup.Open(_host, _name);
        for (var i = 0; i < 2000 && !group.TryRemove(); i++)
            Thread.Sleep(1);
        Assert.All(Places(_name), place => Assert.False(Directory.Exists(place), $"{place} is left"));
    }
}
