using System.Security.Cryptography;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Cgroups;

/// <summary>
/// Version 2 where the host runs version 1: what is written where, into a directory made like one; joining and removing on the
/// host's own cgroup2, which has no controllers of ours then. Hosts with version 2 run <see cref="CgroupTests"/> on it.
/// </summary>
public sealed class CgroupVersion2Tests : IDisposable
{
    private readonly Scratch _scratch = new();

    [Theory]
    [InlineData("", "+pids")] // all three; the last is what the file then says
    [InlineData("cpu memory", "+pids")]
    [InlineData("memory pids", "+cpu")]
    [InlineData("cpu pids", "+memory")]
    [InlineData("cpu memory pids", "cpu memory pids")] // nothing is written
    public void Controllers_are_enabled_on_the_way_to_a_group(string enabled, string written)
    {
        var tree = Tree(enabled);
        Cgroup.Create(tree, "mitos/engine/group", new CgroupLimits(123_456_789, 0.5, 128));
        foreach (var place in (string[])["", "/mitos", "/mitos/engine"])
            Assert.Equal(written, File.ReadAllText(_scratch["v2"] + place + "/cgroup.subtree_control").Trim());
        Assert.Equal("", File.ReadAllText(_scratch["v2"] + "/mitos/engine/group/cgroup.subtree_control")); // a group with processes must have none
        Assert.Equal("123456789", Read("memory.max"));
        Assert.Equal("128", Read("pids.max"));
        Assert.Equal("50000 100000", Read("cpu.max"));
    }

    [Fact]
    public void Rates_of_disks_are_written_and_lifted_where_there_is_the_controller_for_them()
    {
        var tree = Tree("cpu memory pids", "cpu io memory pids");
        Assert.True(tree.HasDisks);
        var group = Cgroup.Create(tree, "mitos/engine/group", new CgroupLimits(1, 1, 1, [new DiskRate("8:0", 50 << 20, 0)]));
        Assert.Equal("+io", File.ReadAllText(_scratch["v2"] + "/mitos/engine/cgroup.subtree_control").Trim());
        Assert.Equal("8:0 rbps=52428800 wbps=52428800 riops=max wiops=max", Read("io.max"));
        group.LimitDisks([new DiskRate("8:0", 0, 100)]);
        Assert.Equal("8:0 rbps=max wbps=max riops=100 wiops=100", Read("io.max"));
        Assert.False(Tree("cpu memory pids").HasDisks);
    }

    [Fact]
    public void Processes_and_kills_are_read_as_version_2_writes_them()
    {
        var tree = Tree("cpu memory pids");
        var group = Cgroup.Create(tree, "mitos/engine/group", new CgroupLimits(1, 1, 1));
        File.WriteAllText(_scratch["v2"] + "/mitos/engine/group/cgroup.procs", "12\n345\n");
        File.WriteAllText(_scratch["v2"] + "/mitos/engine/group/memory.events", "low 0\nhigh 0\nmax 31\noom 2\noom_kill 3\noom_group_kill 1\n");
        Assert.Equal([12, 345], group.Processes());
        Assert.Equal(3, group.OutOfMemoryKills());
        var files = group.OpenProcs();
        Assert.Single(files).Dispose();
    }

    [Fact]
    public void A_process_joins_a_group_of_the_host_s_own_cgroup2_which_goes_when_it_has_ended()
    {
        Needs.Root("only root makes groups");
        var mount = File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).FirstOrDefault(fields => fields[2] == "cgroup2")?[1];
        Assert.True(mount is not null, "This host has no cgroup2 mounted anywhere.");
        var tree = CgroupHierarchy.At(2, mount);
        var name = $"mitos-test-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        Directory.CreateDirectory(Path.Combine(mount, name));
        var group = Cgroup.Open(tree, name);
        try
        {
            var procs = group.OpenProcs();
            using (var cat = new Spawned(options => options with { Cgroups = [(int)procs.Single().DangerousGetHandle()] }))
            {
                Assert.Contains($"0::/{name}", cat.Read("cgroup").Split('\n'));
                Assert.Equal([cat.Process.Id], group.Processes());
                Assert.False(group.TryRemove());
            }
            procs[0].Dispose();
        }
        finally
        {
            for (var i = 0; i < 2000 && !group.TryRemove(); i++)
                Thread.Sleep(1);
        }
        Assert.False(Directory.Exists(Path.Combine(mount, name)));
    }

    public void Dispose() => _scratch.Dispose();

    private string Read(string file) => File.ReadAllText(_scratch["v2"] + "/mitos/engine/group/" + file);

    private CgroupHierarchy Tree(string enabled, string all = "cpu memory pids")
    {
        foreach (var place in (string[])["", "/mitos", "/mitos/engine", "/mitos/engine/group"])
        {
            Directory.CreateDirectory(_scratch["v2"] + place);
            foreach (var file in (string[])["cgroup.procs", "memory.max", "pids.max", "cpu.max", "memory.events", "io.max"])
                File.WriteAllText(_scratch["v2"] + place + "/" + file, "");
            File.WriteAllText(_scratch["v2"] + place + "/cgroup.subtree_control", place == "/mitos/engine/group" ? "" : enabled + "\n");
        }
        File.WriteAllText(_scratch["v2"] + "/cgroup.controllers", all + "\n");
        return CgroupHierarchy.From([$"cgroup2 {_scratch["v2"]} cgroup2 rw 0 0"]);
    }
}
