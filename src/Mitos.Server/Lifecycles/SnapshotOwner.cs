namespace Mitos.Server.Lifecycles;

/// <summary>To whom a snapshot belongs. A row of the database.</summary>
internal sealed record SnapshotOwner
{
    /// <summary>The snapshot's id.</summary>
    public required string Id { get; init; }

    public required string TeamId { get; init; }

    /// <summary>The sandbox that it was taken of.</summary>
    public required string SandboxId { get; init; }
}
