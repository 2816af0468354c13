using Mitos.Engine.Capacity;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Hosts;

/// <summary>Finds out what a host can do, without an engine.</summary>
public static class HostProbe
{
    private static readonly (string Program, string Package)[] Tools =
    [
        ("/usr/bin/mmdebstrap", "mmdebstrap"), ("/sbin/mke2fs", "e2fsprogs"), ("/usr/bin/dpkg-deb", "dpkg"), ("/usr/bin/apt-get", "apt"),
    ];

    /// <summary>Makes every check; none of them fails as a whole.</summary>
    public static HostFacts Run(EngineOptions options) => Run(options, VmmChoice.Make);

    internal static HostFacts Run(EngineOptions options, Func<EngineOptions, VmmChoice> choose)
    {
        var checks = new List<HostCheck>();
        var (vmm, version, binary, accelerator, reason) = ("qemu", "", "", "", "");
        try
        {
            var choice = choose(options);
            var tested = choice.Candidates.Select(candidate => (candidate.Facts, Test: VmmApproval.Recall(candidate, options))).ToList();
            var (facts, test) = tested.FirstOrDefault(one => one.Test is not { Passed: false }, tested[0]);
            (vmm, version, binary, accelerator, reason) = (facts.Name, facts.Version, facts.Binary, facts.Accelerator, facts.AcceleratorReason);
            checks.Add(new HostCheck("VMM", CheckStatus.Ok, $"{vmm} {version}, {binary} ({choice.Reason})", ""));
            checks.Add(SelfTest(test, tested.Select(one => one.Test).OfType<SelfTestRecord>().FirstOrDefault(one => !one.Passed)));
            checks.Add(accelerator == "kvm"
                ? new HostCheck("accelerator", CheckStatus.Ok, $"kvm: {reason}", "")
                : new HostCheck("accelerator", CheckStatus.Degraded, $"tcg: {reason}; guests compute 7 to 8 times slower than this host", KvmAccess.Read().WhyNoLinux?.Remedy ?? "Leave out --accel tcg, or see what the self-test of KVM says."));
        }
        catch (SandboxException e)
        {
            checks.Add(new HostCheck("VMM", CheckStatus.Missing, e.Message, e.Remedy));
        }
        checks.Add(Environment.IsPrivilegedProcess
            ? new HostCheck("root", CheckStatus.Ok, "running as root", "")
            : new HostCheck("root", CheckStatus.Missing, "not running as root: machines need users, cgroups and page tables of their own", "sudo ./mitos …"));
        checks.Add(File.Exists("/proc/self/pagemap")
            ? new HostCheck("pagemap", CheckStatus.Ok, "/proc/PID/pagemap is there", "")
            : new HostCheck("pagemap", CheckStatus.Missing, "/proc/PID/pagemap is missing", "Use a kernel with CONFIG_PROC_PAGE_MONITOR."));
        checks.Add(PageMap.HasScan
            ? new HostCheck("PAGEMAP_SCAN", CheckStatus.Ok, "the ioctl is there: listing a delta costs O(delta)", "")
            : new HostCheck("PAGEMAP_SCAN", CheckStatus.Degraded, "the ioctl is missing: listing a delta costs O(memory), 1.3 ms/GiB", "Use Linux 6.7 or later."));
        checks.Add(Cgroups());
        checks.Add(DiskLimits(options));
        checks.Add(NetworkNamespace.Empty is not null
            ? new HostCheck("network namespaces", CheckStatus.Ok, "there: VMMs have no network", "")
            : new HostCheck("network namespaces", CheckStatus.Degraded, "none can be made: a VMM that was broken into would have this host's network", "Use a kernel with CONFIG_NET_NS; in a container, allow it (CAP_SYS_ADMIN)."));
        checks.Add(MountNamespaces());
        checks.Add(File.Exists("/proc/self/ns/user")
            ? new HostCheck("user namespaces", CheckStatus.Ok, "there", "")
            : new HostCheck("user namespaces", CheckStatus.Degraded, "this kernel has none; they are not used yet", ""));
        foreach (var (program, package) in Tools.Where(tool => !File.Exists(tool.Program) && !File.Exists("/usr" + tool.Program)))
            checks.Add(new HostCheck(Path.GetFileName(program), CheckStatus.Missing, $"{program} is missing; templates cannot be built", $"apt-get install -y {package}"));
        var available = HostCapacity.ReadMemoryAvailable();
        checks.Add(available >= 2L << 30
            ? new HostCheck("memory", CheckStatus.Ok, $"{available >> 20} MiB available", "")
            : new HostCheck("memory", CheckStatus.Degraded, $"only {available >> 20} MiB available", "End other programs, or use a larger host."));
        var disk = FreeDisk(options.StateDirectory);
        checks.Add(disk >= 6L << 30
            ? new HostCheck("disk", CheckStatus.Ok, $"{disk >> 20} MiB free for {options.StateDirectory}", "")
            : new HostCheck("disk", CheckStatus.Degraded, $"only {disk >> 20} MiB free for {options.StateDirectory}; a template needs about 3 GiB while it is built", "Free space, or set MITOS_STATE to a larger disk."));
        return new HostFacts
        {
            Vmm = vmm,
            VmmVersion = version,
            VmmBinary = binary,
            Accelerator = accelerator,
            AcceleratorReason = reason,
            Kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
            CpuModel = HostCpu.Model(),
            CpuCount = Environment.ProcessorCount,
            MemoryBytes = HostCapacity.ReadMemoryTotal(),
            MemoryAvailableBytes = available,
            DiskAvailableBytes = disk,
            StateDirectory = options.StateDirectory,
            Checks = checks,
        };
    }

    // Of the one that is used, or will be; and of a better one that did not pass.
    private static HostCheck SelfTest(SelfTestRecord? used, SelfTestRecord? failed)
    {
        const string Remedy = "`mitos doctor --self-test` runs all checks; another version of the VMM may pass.";
        var failure = failed is null ? "" : $"{failed.Vmm} did not pass: '{failed.Failure!.Name}': {failed.Failure.Figure}";
        return used switch
        {
            { Passed: false } => new HostCheck("self-test", CheckStatus.Missing, failure, Remedy),
            null when failed is not null => new HostCheck("self-test", CheckStatus.Degraded, failure, Remedy),
            null => new HostCheck("self-test", CheckStatus.Ok, "not yet run; the daemon runs it, for some seconds, before it uses the VMM", ""),
            _ => new HostCheck("self-test", failed is null ? CheckStatus.Ok : CheckStatus.Degraded, $"{used.Vmm} passed {used.Results.Count} checks, {used.At:yyyy-MM-dd HH:mm}Z{(failed is null ? "" : "; " + failure)}", failed is null ? "" : Remedy),
        };
    }

    private static HostCheck Cgroups()
    {
        var found = CgroupHierarchy.Probe();
        return found.Missing.Count == 0
            ? new HostCheck("cgroups", CheckStatus.Ok, $"version {found.Version}, with memory, cpu and pids", "")
            : new HostCheck("cgroups", CheckStatus.Degraded, $"version {found.Version}; missing: {string.Join(", ", found.Missing)}: machines are not limited there", "Boot with the controllers enabled (cgroup_enable=memory), or mount cgroup2.");
    }

    private static HostCheck MountNamespaces()
    {
        var place = Directory.CreateTempSubdirectory("mitos-doctor-");
        try
        {
            MountNamespace.Make(place.FullName, [], []).Dispose();
            return new HostCheck("mount namespaces", CheckStatus.Ok, "there: VMMs see no files of this host but their own program", "");
        }
        catch (LinuxException e)
        {
            return new HostCheck("mount namespaces", CheckStatus.Degraded, $"none can be made ({e.Message}): a VMM that was broken into could read what all users of this host can", "Run as root, on Linux 5.8 or later; in a container, allow it (CAP_SYS_ADMIN, CAP_MKNOD).");
        }
        finally
        {
            place.Delete();
        }
    }

    private static HostCheck DiskLimits(EngineOptions options)
    {
        var rates = DiskRates.Find(options, CgroupHierarchy.Probe(), options.StateDirectory);
        const string Weaker = "Boot with cgroup version 2 and its io controller, and keep MITOS_STATE on a disk of this host.";
        return (rates.IsLimited, rates.WhyWeaker) switch
        {
            (false, null) => new HostCheck("disk limits", CheckStatus.Ok, "none are set: a sandbox may use the whole disk (--disk-rate, --disk-ops; the cgroup would hold them here)", ""),
            (false, var why) => new HostCheck("disk limits", CheckStatus.Ok, $"none are set: a sandbox may use the whole disk (--disk-rate, --disk-ops); {why}: the VMM would hold them here", ""),
            (true, null) => new HostCheck("disk limits", CheckStatus.Ok, $"{rates}, by the cgroup, on {string.Join(" and ", rates.ByCgroup.Select(rate => rate.Device))}", ""),
            (true, var why) => new HostCheck("disk limits", CheckStatus.Degraded, $"{rates}, by the VMM itself, for {why}: a VMM that was broken into is not held", Weaker),
        };
    }

    private static long FreeDisk(string path)
    {
        while (!Directory.Exists(path))
            path = Path.GetDirectoryName(path) ?? "/";
        return new DriveInfo(path).AvailableFreeSpace;
    }
}
