namespace Mitos.Engine.Hosts;

/// <summary>What this host can do for machines, and what it lacks.</summary>
public sealed record HostFacts
{
    /// <summary><c>qemu</c> or <c>firecracker</c>: the VMM in use.</summary>
    public required string Vmm { get; init; }
    public required string VmmVersion { get; init; }
    public required string VmmBinary { get; init; }
    /// <summary><c>kvm</c> or <c>tcg</c>.</summary>
    public required string Accelerator { get; init; }
    /// <summary>Why that accelerator.</summary>
    public required string AcceleratorReason { get; init; }
    public required string Kernel { get; init; }
    public required string CpuModel { get; init; }
    public required int CpuCount { get; init; }
    public required long MemoryBytes { get; init; }
    public required long MemoryAvailableBytes { get; init; }
    public required long DiskAvailableBytes { get; init; }
    public required string StateDirectory { get; init; }
    /// <summary>Every check that was made, also those that passed.</summary>
    public required IReadOnlyList<HostCheck> Checks { get; init; }
}

/// <summary>One check of the host.</summary>
/// <param name="Name">Short name, for example <c>PAGEMAP_SCAN</c>.</param>
/// <param name="Status">Whether Mitos works as it is.</param>
/// <param name="Finding">What was found.</param>
/// <param name="Remedy">The command that mends it; empty when all is well.</param>
public readonly record struct HostCheck(string Name, CheckStatus Status, string Finding, string Remedy);

/// <summary>The result of a check.</summary>
public enum CheckStatus
{
    Ok,
    /// <summary>Works, but slower or with less isolation.</summary>
    Degraded,
    /// <summary>Mitos cannot work without it.</summary>
    Missing,
}
