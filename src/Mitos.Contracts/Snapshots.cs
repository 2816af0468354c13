namespace Mitos.Contracts;

/// <summary>A kept state of a sandbox, of which new ones can be made.</summary>
public sealed record SnapshotBody
{
    /// <summary>20 letters and digits.</summary>
    public required string Id { get; init; }

    /// <summary>Missing when it has none.</summary>
    public string? Name { get; init; }

    /// <summary>The sandbox that it was taken of, which may be gone.</summary>
    public required string Sandbox { get; init; }

    /// <summary>That sandbox's template.</summary>
    public required string Template { get; init; }

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Virtual processors of what is made of it.</summary>
    public required int CpuCount { get; init; }

    /// <summary>Their memory.</summary>
    public required int MemoryMiB { get; init; }

    /// <summary>Size of their disk.</summary>
    public required int DiskMiB { get; init; }

    /// <summary>Memory in which it differs from its template.</summary>
    public required long DeltaBytes { get; init; }

    /// <summary>Bytes on disk that this is kept in; its disk shares layers with others, and is not counted.</summary>
    public required long FileBytes { get; init; }
}

/// <summary>Asks for a snapshot of the sandbox that the address names. All may be left out.</summary>
/// <param name="Name">1 to 63 letters, digits, <c>. _ -</c>; unique among the snapshots of its team. Default: none.</param>
public sealed record SnapshotRequest(string? Name = null);

/// <summary>Asks for a snapshot.</summary>
/// <param name="Sandbox">Id, name, or the beginning of an id. Needed.</param>
/// <param name="Name">1 to 63 letters, digits, <c>. _ -</c>; unique among the snapshots of its team. Default: none.</param>
public sealed record CreateSnapshotRequest(string? Sandbox = null, string? Name = null);
