using System.Text;
using Mitos.Engine.Errors;

namespace Mitos.Engine;

/// <summary>Configuration of one engine.</summary>
public sealed record EngineOptions
{
    /// <summary>Where templates, disks and journals live. Default <c>/var/lib/mitos</c>.</summary>
    public string StateDirectory { get; init; } = "/var/lib/mitos";

    /// <summary>Where sockets live; emptied by a reboot. Default <c>/run/mitos</c>. Its path must be short: socket paths end at 107 bytes.</summary>
    public string RunDirectory { get; init; } = "/run/mitos";

    /// <summary>Content-addressed results of expensive steps (kernel, root file system), shared by all engines of a host. Default <c>/var/cache/mitos</c>.</summary>
    public string CacheDirectory { get; init; } = "/var/cache/mitos";

    /// <summary>Directory that holds the guest agent binary <c>mitos-guest</c>. Default: beside this program.</summary>
    public string GuestDirectory { get; init; } = AppContext.BaseDirectory;

    /// <summary>Shells kept ready per generation in use. Default 4; each costs about 15 MiB on QEMU.</summary>
    public int WarmShells { get; init; } = 4;

    /// <summary><c>auto</c>, <c>firecracker</c> or <c>qemu</c>. Default auto: Firecracker where its binary is and KVM runs guests.</summary>
    public string Vmm { get; init; } = "auto";

    /// <summary>Path of Firecracker's binary. Default <c>/usr/local/bin/firecracker</c>.</summary>
    public string Firecracker { get; init; } = "/usr/local/bin/firecracker";

    /// <summary><c>auto</c>, <c>kvm</c> or <c>tcg</c>. Default auto.</summary>
    public string Accelerator { get; init; } = "auto";

    /// <summary>Host memory that forks may not use up. Default 512 MiB.</summary>
    public long ReservedMemoryBytes { get; init; } = 512L << 20;

    /// <summary>Host disk that sandboxes may not use up. Default 1 GiB.</summary>
    public long ReservedDiskBytes { get; init; } = 1L << 30;

    /// <summary>Most MiB in a second that one machine reads from the host's disk, and as many that it writes. Default 0: any number.</summary>
    public int DiskMiBPerSecond { get; init; }

    /// <summary>Most reads in a second of one machine from the host's disk, and as many writes. Default 0: any number.</summary>
    public int DiskOperationsPerSecond { get; init; }

    /// <summary>Files and directories that VMMs see beside what their kind needs: with the rights that they have, for a Firecracker built with libraries elsewhere. Default none.</summary>
    public IReadOnlyList<string> VmmFiles { get; init; } = [];

    /// <summary>Longest time that a source may stay paused for one fork before the fork is dropped. Default 5 s.</summary>
    public TimeSpan MaxPause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>First user id of the range that VMMs run as, one id each. Default 2,000,000,000.</summary>
    public int FirstUserId { get; init; } = 2_000_000_000;

    /// <exception cref="SandboxException">InvalidArgument: an option makes no sense.</exception>
    public void Check()
    {
        foreach (var directory in (string[])[StateDirectory, RunDirectory, CacheDirectory, GuestDirectory, Firecracker])
            Require(Path.IsPathFullyQualified(directory), $"'{directory}' is not an absolute path.", "Give the whole path.");
        // RUN/t/v/012345678901/home/agent
        const int MaxRunBytes = 107 - 28;
        Require(Encoding.UTF8.GetByteCount(RunDirectory) <= MaxRunBytes, $"The run directory '{RunDirectory}' is too long for the paths of sockets below it.", $"Use one of at most {MaxRunBytes} bytes.");
        Require(WarmShells is >= 0 and <= 64, $"{WarmShells} shells cannot be kept ready.", "Use 0 to 64.");
        Require(ReservedMemoryBytes >= 0 && ReservedDiskBytes >= 0, $"{ReservedMemoryBytes} bytes of memory and {ReservedDiskBytes} of disk cannot be reserved.", "Use 0 or more.");
        Require(DiskMiBPerSecond is >= 0 and <= 1 << 20, $"A machine cannot have {DiskMiBPerSecond} MiB of the disk in a second.", "Use 1 to 1048576, or 0 for no limit.");
        // below ten a guest takes minutes to boot
        Require(DiskOperationsPerSecond is 0 or >= 10, $"A machine cannot live on {DiskOperationsPerSecond} disk operations in a second.", "Use 10 or more, or 0 for no limit.");
        Require(MaxPause > TimeSpan.Zero, $"A pause of at most {MaxPause} lets no machine be forked.", "Use more than 0.");
        // below are the users of the host
        Require(FirstUserId is >= 100_000 and <= int.MaxValue - Machines.MachineHost.UserIds, $"Machines cannot run as users from {FirstUserId} on.", $"Use 100000 to {int.MaxValue - Machines.MachineHost.UserIds}.");
    }

    private static void Require(bool holds, string message, string remedy)
    {
        if (!holds)
            throw SandboxException.Invalid(message, remedy);
    }
}
