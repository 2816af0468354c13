using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Machines;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Vmm;

/// <summary>A VMM process to start: one that boots, or a shell that waits for a device state.</summary>
public sealed record VmmSpec
{
    /// <summary>Names the process in messages, directories and cgroups: 12 hexadecimal digits.</summary>
    public required string Id { get; init; }

    public required MachineShape Shape { get; init; }

    /// <summary>Guest memory: a sealed generation for a shell, an unsealed file for a machine that boots.</summary>
    public required MemoryFile Memory { get; init; }

    public required DiskStack Disk { get; init; }

    /// <summary>The layer that takes the writes.</summary>
    public required LayerId ActiveLayer { get; init; }

    /// <summary>What to boot; null makes a shell.</summary>
    public BootSource? Boot { get; init; }

    /// <summary>Whether the guest's network card reaches the outside through the VMM's user-mode stack. Template builds only.</summary>
    public bool UserModeNetwork { get; init; }

    /// <summary>A card of the host's; null: the guest's has no cable, or, with Firecracker, there is none.</summary>
    public NetworkCard? Card { get; init; }

    /// <summary>What the process sees of the file system; null: all that its user may. See <see cref="MountNamespace"/>.</summary>
    public SafeFileHandle? Mounts { get; init; }

    /// <summary>What the VMM itself is to limit its disk to, where the cgroup cannot; without a limit it lifts one that the guest's state may bring along. Null: nothing is to be done.</summary>
    public DiskLimit? DiskLimit { get; init; }

    /// <summary>An existing directory for its sockets.</summary>
    public required string RunDirectory { get; init; }

    /// <summary>The uid and gid that it runs as.</summary>
    public required int UserId { get; init; }

    /// <summary>The cgroup that it joins.</summary>
    public required Cgroup Cgroup { get; init; }
}

/// <summary>What a machine boots.</summary>
/// <param name="Kernel">Path of an uncompressed kernel (ELF with a PVH note).</param>
/// <param name="Initramfs">Path of the initial file system, cpio; empty: none.</param>
/// <param name="CommandLine">What to add to the driver's own kernel command line.</param>
public sealed record BootSource(string Kernel, string Initramfs, string CommandLine);
