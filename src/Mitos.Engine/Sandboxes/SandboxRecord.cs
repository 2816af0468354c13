using System.Text.Json.Serialization;
using Mitos.Engine.Disks;
using Mitos.Engine.Generations;

namespace Mitos.Engine.Sandboxes;

/// <summary>The journal of a sandbox: what is needed to show it, and to adopt its machine after a restart of the engine.</summary>
public sealed record SandboxRecord
{
    public required string Id { get; init; }
    public string? Name { get; init; }
    /// <summary>In what the name is unique.</summary>
    public string Scope { get; init; } = "";
    public required SandboxState State { get; init; }
    public required string Template { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StoppedAt { get; init; }
    public string? StopReason { get; init; }
    public required IReadOnlyList<string> Lineage { get; init; }
    public string? ForkId { get; init; }
    public int? ForkIndex { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    public required string AccessToken { get; init; }
    /// <summary>Of one that does not run: the last that it had.</summary>
    public required MachineRecord Machine { get; init; }
    /// <summary>The snapshot that it is paused in; null: it is not.</summary>
    public string? Snapshot { get; init; }
    /// <summary>Whether that snapshot has its files only.</summary>
    public bool FilesOnly { get; init; }

    /// <summary>Whether it stands on a template, or on a shape of it that was made on demand.</summary>
    public bool IsOf(string template) => Template == template || $"{Template}@{Machine.Generation.Shape.CpuCount}x{Machine.Generation.Shape.MemoryMiB}" == template;

    /// <summary>Whether it can be one of ours: what was read may be damaged in ways that are still JSON.</summary>
    [JsonIgnore]
    public bool IsSound => SandboxId.TryParse(Id, out _) && Lineage.All(id => SandboxId.TryParse(id, out _)) && Machine.Generation.IsSound
        && Machine.Frozen.Append(Machine.Active).All(layer => LayerId.TryParse(layer, out _));
}

/// <summary>The machine of a sandbox.</summary>
public sealed record MachineRecord
{
    public required string VmmId { get; init; }
    public required int Pid { get; init; }
    /// <summary>Clock ticks since boot; tells a recycled pid.</summary>
    public required ulong StartTime { get; init; }
    public required int UserId { get; init; }
    public required GenerationRecord Generation { get; init; }
    /// <summary>Frozen layers of its disk, the lowest first.</summary>
    public required IReadOnlyList<string> Frozen { get; init; }
    public required string Active { get; init; }
    /// <summary>An empty layer that was added and may have become active by a fork that was cut off.</summary>
    public string? Next { get; init; }
}
