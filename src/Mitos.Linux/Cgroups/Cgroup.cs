using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Mitos.Linux.Cgroups;

/// <summary>Limits of one process tree on memory, cpu, number of processes and use of disks, on cgroup v1 or v2, whichever the host has.</summary>
public sealed class Cgroup
{
    private readonly CgroupHierarchy _hierarchy;
    private readonly List<string> _directories;

    private Cgroup(CgroupHierarchy hierarchy, string name)
    {
        _hierarchy = hierarchy;
        _directories = hierarchy.Roots.Select(root => Path.Combine(root, name)).ToList();
    }

    /// <summary>Creates (or takes over) the group <paramref name="name"/>, for example <c>mitos/abc</c>.</summary>
    /// <param name="hierarchy">Where the host has its controllers; without any this group limits nothing.</param>
    /// <param name="name">Path below the hierarchy's root.</param>
    /// <param name="limits">The limits.</param>
    /// <exception cref="IOException">The kernel refused a directory or a limit; no group is left.</exception>
    public static Cgroup Create(CgroupHierarchy hierarchy, string name, CgroupLimits limits)
    {
        var group = new Cgroup(hierarchy, name);
        try
        {
            foreach (var directory in group._directories)
            {
                if (hierarchy.Version == 2)
                    hierarchy.EnableControllers(Path.GetDirectoryName(directory)!);
                Directory.CreateDirectory(directory);
            }
            group.Apply(limits);
            group.LimitDisks(limits.Disks ?? []);
            return group;
        }
        catch
        {
            group.TryRemove();
            throw;
        }
    }

    /// <summary>A group that an earlier process made.</summary>
    public static Cgroup Open(CgroupHierarchy hierarchy, string name) => new(hierarchy, name);

    /// <summary>Opens the files through which a process joins. The caller disposes them.</summary>
    public List<SafeFileHandle> OpenProcs() =>
        _directories.Select(directory => File.OpenHandle(Path.Combine(directory, "cgroup.procs"), FileMode.Open, FileAccess.Write)).ToList();

    /// <summary>Ids of the processes in it.</summary>
    public IReadOnlyList<int> Processes() =>
        _directories.Where(Directory.Exists).Take(1)
            .SelectMany(directory => File.ReadLines(Path.Combine(directory, "cgroup.procs")))
            .Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToList();

    /// <summary>How often the kernel ended a process of it for want of memory.</summary>
    public long OutOfMemoryKills()
    {
        var file = _hierarchy.Version == 2 ? "memory.events" : "memory.oom_control";
        foreach (var path in _directories.Select(directory => Path.Combine(directory, file)).Where(File.Exists))
        {
            foreach (var line in File.ReadLines(path).Where(line => line.StartsWith("oom_kill ", StringComparison.Ordinal)))
                return long.Parse(line.AsSpan(9), CultureInfo.InvariantCulture);
        }
        return 0;
    }

    /// <summary>Limits the use of disks, in the place of what was set for them before. Does nothing where the host has no controller for it.</summary>
    /// <exception cref="IOException">The kernel refused: no such disk, for example.</exception>
    public void LimitDisks(IEnumerable<DiskRate> disks)
    {
        foreach (var (device, bytes, operations) in disks)
        {
            if (_hierarchy.Version == 2)
            {
                Write("io.max", $"{device} rbps={OrMax(bytes)} wbps={OrMax(bytes)} riops={OrMax(operations)} wiops={OrMax(operations)}");
                continue;
            }
            foreach (var way in (string[])["read", "write"])
            {
                Write($"blkio.throttle.{way}_bps_device", string.Create(CultureInfo.InvariantCulture, $"{device} {bytes}"));
                Write($"blkio.throttle.{way}_iops_device", string.Create(CultureInfo.InvariantCulture, $"{device} {operations}"));
            }
        }

        static string OrMax(long value) => value == 0 ? "max" : value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Removes the group, which must hold no process any more. True when it is gone.</summary>
    public bool TryRemove()
    {
        foreach (var directory in _directories.Where(Directory.Exists))
        {
            try
            {
                Directory.Delete(directory); // rmdir: the files in it are the kernel's
            }
            catch (IOException)
            {
                return false; // EBUSY: the last process is still leaving
            }
        }
        return true;
    }

    private void Apply(CgroupLimits limits)
    {
        const long PeriodUs = 100_000;
        var quota = (long)(limits.Cpus * PeriodUs);
        if (_hierarchy.Version == 2)
        {
            Write("memory.max", limits.MemoryBytes);
            Write("pids.max", limits.Processes);
            Write("cpu.max", string.Create(CultureInfo.InvariantCulture, $"{quota} {PeriodUs}"));
            return;
        }
        Write("memory.limit_in_bytes", limits.MemoryBytes);
        Write("pids.max", limits.Processes);
        Write("cpu.cfs_period_us", PeriodUs);
        Write("cpu.cfs_quota_us", quota);
    }

    private void Write(string file, long value) => Write(file, value.ToString(CultureInfo.InvariantCulture));

    // A controller that the host lacks has no file; doctor says so.
    private void Write(string file, string value)
    {
        foreach (var path in _directories.Select(directory => Path.Combine(directory, file)).Where(File.Exists))
            File.WriteAllText(path, value);
    }
}

/// <summary>Limits of a <see cref="Cgroup"/>.</summary>
/// <param name="MemoryBytes">Most memory; beyond it the kernel ends a process of the group.</param>
/// <param name="Cpus">Most cpu time per time: 1.5 is one and a half cores.</param>
/// <param name="Processes">Most threads and processes.</param>
/// <param name="Disks">Rates of disks; null: none is limited.</param>
public readonly record struct CgroupLimits(long MemoryBytes, double Cpus, long Processes, IReadOnlyList<DiskRate>? Disks = null);

/// <summary>How fast a <see cref="Cgroup"/> may use one disk.</summary>
/// <param name="Device">Its number, <c>major:minor</c>; see <see cref="Files.BlockDevice"/>.</param>
/// <param name="BytesPerSecond">To be read, and as many to be written; 0: any.</param>
/// <param name="OperationsPerSecond">Reads, and as many writes; 0: any.</param>
public readonly record struct DiskRate(string Device, long BytesPerSecond, long OperationsPerSecond);
