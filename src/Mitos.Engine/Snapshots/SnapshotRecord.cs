using System.Text.Json.Serialization;
using Mitos.Engine.Disks;
using Mitos.Engine.Generations;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Snapshots;

/// <summary>What is written of a capture on disk, beside its file: a paused sandbox's, or a snapshot that a user keeps.</summary>
public sealed record SnapshotRecord
{
    /// <summary>20 lower-case letters and digits.</summary>
    public required string Id { get; init; }

    /// <summary>Given by the user; null: none.</summary>
    public string? Name { get; init; }

    /// <summary>The sandbox that is paused in it; null: a snapshot of its own.</summary>
    public string? PausedSandbox { get; init; }

    /// <summary>The sandbox that it was taken of, as it was.</summary>
    public required SandboxRecord Source { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The template's generation that the pages are a delta of.</summary>
    public required GenerationRecord Generation { get; init; }

    /// <summary>Frozen layers of its disk, the lowest first.</summary>
    public required IReadOnlyList<string> Frozen { get; init; }

    /// <summary>Whether it has its files only: what comes of it boots anew.</summary>
    public bool FilesOnly { get; init; }

    /// <summary>Bytes of the pages that it has.</summary>
    public required long DeltaBytes { get; init; }

    /// <summary>Bytes of its file.</summary>
    public required long FileBytes { get; init; }

    /// <summary>SHA-256 of its file; empty: it has none.</summary>
    public required string Checksum { get; init; }

    /// <summary>Whether it can be one of ours: what was read may be damaged in ways that are still JSON.</summary>
    [JsonIgnore]
    public bool IsSound => Generation.IsSound && Source.IsSound && Frozen.All(layer => LayerId.TryParse(layer, out _));
}
