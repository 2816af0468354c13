namespace Mitos.Contracts;

/// <summary>What a host can do.</summary>
public sealed record HostBody
{
    public required string Vmm { get; init; }
    public required string VmmVersion { get; init; }
    public required string VmmBinary { get; init; }
    public required string Accelerator { get; init; }
    public required string AcceleratorReason { get; init; }
    public required string Kernel { get; init; }
    public required string CpuModel { get; init; }
    public required int CpuCount { get; init; }
    public required long MemoryBytes { get; init; }
    public required long MemoryAvailableBytes { get; init; }
    public required long DiskAvailableBytes { get; init; }
    public required string StateDirectory { get; init; }
    public required List<HostCheckBody> Checks { get; init; }
}

/// <summary>One check.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Status"><c>ok</c>, <c>degraded</c> or <c>missing</c>.</param>
/// <param name="Finding">What was found.</param>
/// <param name="Remedy">The command that mends it.</param>
public sealed record HostCheckBody(string Name, string Status, string Finding, string Remedy);

/// <summary>The daemon's health.</summary>
public sealed record HealthBody(string Status, string Version, int Sandboxes, int Pid);

/// <summary>An API key; the key itself is shown once.</summary>
public sealed record KeyBody(string Id, string Name, DateTimeOffset CreatedAt, string? Key);

/// <summary>Asks for a key.</summary>
public sealed record CreateKeyRequest(string? Name);
