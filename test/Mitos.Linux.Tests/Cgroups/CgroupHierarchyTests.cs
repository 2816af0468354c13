using Mitos.Linux.Cgroups;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Cgroups;

/// <summary>Which controllers are used where, by lists of mounts.</summary>
public sealed class CgroupHierarchyTests : IDisposable
{
    private readonly Scratch _scratch = new();

    [Fact]
    public void Version_2_is_used_when_it_has_all_controllers()
    {
        var found = CgroupHierarchy.From([Unified("cpuset cpu io memory pids"), "cgroup /elsewhere/memory cgroup rw,memory 0 0"]);
        Assert.Equal((2, 0), (found.Version, found.Missing.Count));
        Assert.Equal([_scratch["unified"]], found.Roots);
    }

    [Fact]
    public void Version_1_is_used_when_version_2_lacks_one()
    {
        var found = CgroupHierarchy.From(
        [
            "sysfs /sys sysfs rw 0 0", Unified("cpu pids"), "cgroup /cg/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0", "cgroup /cg/memory cgroup rw,memory 0 0",
            "cgroup /cg/systemd cgroup rw,xattr,name=systemd 0 0", "cgroup /cg/pids cgroup rw,pids 0 0",
        ]);
        Assert.Equal((1, 0), (found.Version, found.Missing.Count));
        Assert.Equal(["/cg/memory", "/cg/cpu,cpuacct", "/cg/pids"], found.Roots);
    }

    [Fact]
    public void The_controller_of_disks_is_used_where_it_is_and_not_missed_where_it_is_not()
    {
        Assert.True(CgroupHierarchy.From([Unified("cpuset cpu io memory pids")]).HasDisks);
        var found = CgroupHierarchy.From([Unified("cpuset cpu memory pids")]);
        Assert.Equal((2, false, 0), (found.Version, found.HasDisks, found.Missing.Count));
        found = CgroupHierarchy.From(["cgroup /cg/all cgroup rw,memory,cpu,pids 0 0", "cgroup /cg/blkio cgroup rw,blkio 0 0"]);
        Assert.Equal((1, true, 0), (found.Version, found.HasDisks, found.Missing.Count));
        Assert.Equal(["/cg/all", "/cg/blkio"], found.Roots);
        Assert.False(CgroupHierarchy.From(["cgroup /cg/all cgroup rw,memory,cpu,pids 0 0"]).HasDisks);
    }

    [Fact]
    public void Controllers_mounted_together_are_one_root()
    {
        var found = CgroupHierarchy.From(["cgroup /cg/all cgroup rw,memory,cpu,pids 0 0"]);
        Assert.Equal(["/cg/all"], found.Roots);
        Assert.Empty(found.Missing);
    }

    [Fact]
    public void What_the_host_lacks_is_named_and_groups_then_limit_what_they_can()
    {
        var found = CgroupHierarchy.From(["cgroup /cg/cpuset cgroup rw,cpuset 0 0", $"cgroup {_scratch["pids"]} cgroup rw,pids 0 0"]);
        Assert.Equal(1, found.Version);
        Assert.Equal(["memory", "cpu"], found.Missing);
        Directory.CreateDirectory(_scratch["pids"] + "/group");
        File.WriteAllText(_scratch["pids"] + "/group/pids.max", "max");
        Cgroup.Create(found, "group", new CgroupLimits(1, 1, 9));
        Assert.Equal("9", File.ReadAllText(_scratch["pids"] + "/group/pids.max"));
        Assert.Single(Directory.GetFiles(_scratch["pids"] + "/group"));
    }

    [Fact]
    public void Without_any_controller_a_group_is_nothing_and_does_not_fail()
    {
        var found = CgroupHierarchy.From(["proc /proc proc rw 0 0"]);
        Assert.Equal(0, found.Version);
        Assert.Equal(["memory", "cpu", "pids"], found.Missing);
        var group = Cgroup.Create(found, "group", new CgroupLimits(1, 1, 1));
        Assert.Empty(group.OpenProcs());
        Assert.Empty(group.Processes());
        Assert.Equal(0, group.OutOfMemoryKills());
        Assert.True(group.TryRemove());
    }

    [Fact]
    public void A_directory_with_a_blank_is_read_as_the_kernel_writes_it()
    {
        Directory.CreateDirectory(_scratch["with blank"]);
        File.WriteAllText(_scratch["with blank"] + "/cgroup.controllers", "cpu memory pids\n");
        Assert.Equal([_scratch["with blank"]], CgroupHierarchy.From([$"cgroup2 {_scratch["with"]}\\040blank cgroup2 rw 0 0"]).Roots);
    }

    public void Dispose() => _scratch.Dispose();

    private string Unified(string controllers)
    {
        Directory.CreateDirectory(_scratch["unified"]);
        File.WriteAllText(_scratch["unified"] + "/cgroup.controllers", controllers + "\n");
        return $"cgroup2 {_scratch["unified"]} cgroup2 rw,nosuid 0 0";
    }
}
