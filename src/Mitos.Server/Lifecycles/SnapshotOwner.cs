namespace Mitos.Server.Lifecycles;

/// <summary>To whom a snapshot belongs, and what was agreed about its sandbox when it was taken. A row of the database.</summary>
internal sealed record SnapshotOwner
{
    /// <summary>The snapshot's id.</summary>
    public required string Id { get; init; }

    public required string TeamId { get; init; }

    /// <summary>The sandbox that it was taken of.</summary>
    public required string SandboxId { get; init; }

    /// <inheritdoc cref="Lease.AutoPause"/>
    public bool AutoPause { get; init; }

    /// <inheritdoc cref="Lease.AutoPauseMemory"/>
    public bool AutoPauseMemory { get; init; } = true;

    /// <inheritdoc cref="Lease.AutoResume"/>
    public bool AutoResume { get; init; }

    /// <summary>Whether requests to the ports must prove something: to those of each sandbox that is made of it, its own <see cref="Lease.TrafficToken"/>.</summary>
    public bool IsGuarded { get; init; }

    /// <inheritdoc cref="Lease.AllowInternet"/>
    public bool? AllowInternet { get; init; }

    /// <inheritdoc cref="Lease.Network"/>
    public string? Network { get; init; }

    /// <summary>Of a snapshot of the sandbox that has the lease.</summary>
    public static SnapshotOwner Of(string id, Lease source) => new()
    {
        Id = id,
        TeamId = source.TeamId,
        SandboxId = source.Id,
        AutoPause = source.AutoPause,
        AutoPauseMemory = source.AutoPauseMemory,
        AutoResume = source.AutoResume,
        IsGuarded = source.TrafficToken is not null,
        AllowInternet = source.AllowInternet,
        Network = source.Network,
    };

    /// <summary>The lease of which those of sandboxes that are made of it are children, as if their source had been forked then.</summary>
    public Lease ToSource() => new()
    {
        Id = SandboxId,
        TeamId = TeamId,
        Template = Id,
        StartedAtMs = 0,
        EndAtMs = Lease.Never,
        AutoPause = AutoPause,
        AutoPauseMemory = AutoPauseMemory,
        AutoResume = AutoResume,
        TrafficToken = IsGuarded ? Lease.NewToken() : null,
        AllowInternet = AllowInternet,
        Network = Network,
    };
}
