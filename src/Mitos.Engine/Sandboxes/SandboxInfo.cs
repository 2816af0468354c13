namespace Mitos.Engine.Sandboxes;

/// <summary>A sandbox as it is now.</summary>
public sealed record SandboxInfo
{
    public required SandboxId Id { get; init; }
    public string? Name { get; init; }
    public required SandboxState State { get; init; }
    public required string Template { get; init; }
    /// <summary>The generation whose memory its machine maps.</summary>
    public required string Generation { get; init; }
    /// <summary>Bytes of that generation's memory, which exist once for all its machines.</summary>
    public required long GenerationBytes { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMiB { get; init; }
    /// <summary>Size of its disk.</summary>
    public required int DiskMiB { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>Whether it is paused without its memory, and boots anew when it is resumed.</summary>
    public bool FilesOnly { get; init; }
    /// <summary>When its machine ended; null while it runs.</summary>
    public DateTimeOffset? StoppedAt { get; init; }
    /// <summary>Why it stopped; null while it runs.</summary>
    public string? StopReason { get; init; }
    /// <summary>The sandbox that it was forked from; null when it came from a template.</summary>
    public SandboxId? ForkedFrom { get; init; }
    /// <summary>Its ancestors from the first to the one it was forked from, also those that are gone.</summary>
    public required IReadOnlyList<SandboxId> Lineage { get; init; }
    /// <summary>The fork that made it, shared by its siblings; null when it came from a template.</summary>
    public string? ForkId { get; init; }
    /// <summary>Its index among those siblings.</summary>
    public int? ForkIndex { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    /// <summary>Proves that a caller may use this one sandbox; new for each. Never listed.</summary>
    public required string AccessToken { get; init; }
    /// <summary>Process id of its VMM on the host; null when it does not run.</summary>
    public int? VmmPid { get; init; }
    /// <summary>Layers of its disk above the template's base image.</summary>
    public required int DiskLayers { get; init; }
}
