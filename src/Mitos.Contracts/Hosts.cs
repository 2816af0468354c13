namespace Mitos.Contracts;

/// <summary>What a host can do.</summary>
public sealed record HostBody
{
    /// <summary><c>qemu</c> or <c>firecracker</c>.</summary>
    public required string Vmm { get; init; }

    /// <summary>Of the VMM.</summary>
    public required string VmmVersion { get; init; }

    /// <summary>Path of the VMM.</summary>
    public required string VmmBinary { get; init; }

    /// <summary><c>kvm</c> or <c>tcg</c>.</summary>
    public required string Accelerator { get; init; }

    /// <summary>Why that one.</summary>
    public required string AcceleratorReason { get; init; }

    /// <summary>Release of the host's kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>The processor's name.</summary>
    public required string CpuModel { get; init; }

    /// <summary>Processors.</summary>
    public required int CpuCount { get; init; }

    /// <summary>All memory.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Memory that is free or can be freed.</summary>
    public required long MemoryAvailableBytes { get; init; }

    /// <summary>Free disk for the state directory.</summary>
    public required long DiskAvailableBytes { get; init; }

    /// <summary>Where templates, disks and journals live.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Every check that was made, also those that passed.</summary>
    public required List<HostCheckBody> Checks { get; init; }
}

/// <summary>One check.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Status"><c>ok</c>, <c>degraded</c> or <c>missing</c>.</param>
/// <param name="Finding">What was found.</param>
/// <param name="Remedy">The command that mends it; empty when all is well.</param>
public sealed record HostCheckBody(string Name, string Status, string Finding, string Remedy);

/// <summary>The daemon's health.</summary>
/// <param name="Status"><c>ok</c>.</param>
/// <param name="Version">Of the daemon.</param>
/// <param name="Sandboxes">How many there are.</param>
/// <param name="Pid">The daemon's process.</param>
public sealed record HealthBody(string Status, string Version, int Sandboxes, int Pid);

/// <summary>Where a daemon is reached, for clients of its own API and for those of E2B's.</summary>
/// <param name="Url">Of HTTP, for both; missing when it only serves its unix socket.</param>
/// <param name="Domain">Ports of sandboxes are at <c>PORT-ID.DOMAIN</c>, which has a port when it is not that of HTTPS; missing when they are reached by headers only.</param>
/// <param name="CertificateAuthority">Path, on the daemon's host, of the certificate that clients must trust for that domain; missing when there is none.</param>
/// <param name="DomainUrl">Of the API in that domain, by HTTPS; missing when the daemon does not serve it so.</param>
public sealed record EndpointsBody(string? Url = null, string? Domain = null, string? CertificateAuthority = null, string? DomainUrl = null);

/// <summary>An API key.</summary>
/// <param name="Id">Names it.</param>
/// <param name="Name">As its maker called it.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="Key">The key itself: only in the answer to its creation.</param>
/// <param name="Team">Name of the team that it acts for.</param>
/// <param name="LastUsedAt">When it was used last, to the minute; null: never.</param>
/// <param name="ExpiresAt">When it ceases, or ceased, to be valid; null: never.</param>
public sealed record KeyBody(string Id, string Name, DateTimeOffset CreatedAt, string? Key = null, string? Team = null, DateTimeOffset? LastUsedAt = null, DateTimeOffset? ExpiresAt = null);

/// <summary>Asks for a key.</summary>
/// <param name="Name">1 to 100 characters.</param>
/// <param name="Team">Id or name of the team that it is to act for; on the unix socket only. Default: the caller's.</param>
/// <param name="ExpiresAt">From when on it is not valid any more, to the millisecond; not later than the end of the key that asks for it. Default: that, or never.</param>
public sealed record CreateKeyRequest(string? Name, string? Team = null, DateTimeOffset? ExpiresAt = null);

/// <summary>Who owns sandboxes and keys.</summary>
/// <param name="Id">A UUID.</param>
/// <param name="Name">Unique.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="ConcurrentSandboxes">Most sandboxes that it may run at once.</param>
/// <param name="CreatePerMinute">Most sandboxes that it may make in a minute; each child of a fork counts.</param>
/// <param name="MaxTimeoutSeconds">Longest life that it may ask for, on E2B's routes.</param>
public sealed record TeamBody(string Id, string Name, DateTimeOffset CreatedAt, int ConcurrentSandboxes, int CreatePerMinute, int MaxTimeoutSeconds);

/// <summary>Asks for a team.</summary>
/// <param name="Name">1 to 100 characters.</param>
/// <param name="ConcurrentSandboxes">1 to 1,000,000. Default 1000.</param>
/// <param name="CreatePerMinute">1 to 1,000,000. Default 10,000.</param>
/// <param name="MaxTimeoutSeconds">1 to 2,592,000. Default 86,400.</param>
public sealed record CreateTeamRequest(string? Name, int? ConcurrentSandboxes = null, int? CreatePerMinute = null, int? MaxTimeoutSeconds = null);

/// <summary>One check of the VMM's self-test.</summary>
/// <param name="Name">Says what holds when it passes.</param>
/// <param name="Passed">Whether it does.</param>
/// <param name="Figure">A figure with its unit; of a failure, what was seen.</param>
public sealed record SelfTestBody(string Name, bool Passed, string Figure);
