namespace Mitos.Contracts;

/// <summary>Asks for a sandbox. All may be left out.</summary>
public sealed record CreateSandboxRequest
{
    /// <summary>Name of a template. Default <c>base</c>.</summary>
    public string? Template { get; init; }

    /// <summary>Id or name of a snapshot, which it is made of instead of a template; it goes on where that was taken.</summary>
    public string? Snapshot { get; init; }

    /// <summary>1 to 63 letters, digits, <c>. _ -</c>; unique among the sandboxes that are there. Default: none.</summary>
    public string? Name { get; init; }

    /// <summary>1 to 32. Default: the template's.</summary>
    public int? CpuCount { get; init; }

    /// <summary>128 to 65536. Default: the template's.</summary>
    public int? MemoryMiB { get; init; }

    /// <summary>Environment of every process in it; at most 256 variables of 48 KiB altogether.</summary>
    public Dictionary<string, string>? Env { get; init; }

    /// <summary>Labels, which Mitos only keeps; at most 256 of 48 KiB altogether.</summary>
    public Dictionary<string, string>? Metadata { get; init; }

    /// <summary>How long it lives from now on, 1 to 2592000. Default: until it is removed.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>What happens then: <c>kill</c> or <c>pause</c>. Default <c>kill</c>.</summary>
    public string? OnTimeout { get; init; }
}

/// <summary>Asks for children of a running or paused sandbox, or of a snapshot. All may be left out.</summary>
public sealed record ForkRequest
{
    /// <summary>1 to 100. Default 1.</summary>
    public int? Count { get; init; }

    /// <summary>Environment of new processes in the children, added to the source's.</summary>
    public Dictionary<string, string>? Env { get; init; }

    /// <summary>Labels of the children, added to the source's.</summary>
    public Dictionary<string, string>? Metadata { get; init; }

    /// <summary>Names of the children, by index; those beyond the list have none.</summary>
    public List<string>? Names { get; init; }

    /// <summary>How long the children live from now on, 1 to 2592000. Default: as long as the source; of a snapshot, until they are removed.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>What happens then: <c>kill</c> or <c>pause</c>. Default: as for the source; of a snapshot, <c>kill</c>.</summary>
    public string? OnTimeout { get; init; }
}

/// <summary>Asks for a life of a length.</summary>
public sealed record TimeoutRequest
{
    /// <summary>How long it lives from now on, 1 to 2592000. Needed.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>What happens then: <c>kill</c> or <c>pause</c>. Default: as before, else <c>kill</c>.</summary>
    public string? OnTimeout { get; init; }
}

/// <summary>Asks for a pause. All may be left out.</summary>
public sealed record PauseRequest
{
    /// <summary>Whether its memory is kept. Without it only its files are, and it boots anew when it is resumed, which takes seconds. Default true.</summary>
    public bool? Memory { get; init; }
}

/// <summary>Asks that a paused sandbox goes on. All may be left out.</summary>
public sealed record ResumeRequest
{
    /// <summary>How long it lives from now on, 1 to 2592000. Default: until the end that it has; where that is over, until it is removed.</summary>
    public int? TimeoutSeconds { get; init; }

    /// <summary>What happens then: <c>kill</c> or <c>pause</c>. Default: as before, else <c>kill</c>.</summary>
    public string? OnTimeout { get; init; }

    /// <summary>Whether it gets the memory that it was paused with. Without it, it boots from its disk, which takes seconds, and that memory is gone. Default true.</summary>
    public bool? Memory { get; init; }
}

/// <summary>A sandbox as it is now.</summary>
public sealed record SandboxBody
{
    /// <summary><c>i</c> and 20 letters and digits.</summary>
    public required string Id { get; init; }

    /// <summary>Missing when it has none.</summary>
    public string? Name { get; init; }

    /// <summary><c>starting</c>, <c>running</c>, <c>paused</c> or <c>stopped</c>. A paused one can be resumed and forked, a stopped one only looked at and removed.</summary>
    public required string State { get; init; }

    /// <summary>The template that it, or its first ancestor, was made from.</summary>
    public required string Template { get; init; }

    /// <summary>The generation whose memory its machine maps.</summary>
    public required string Generation { get; init; }

    /// <summary>Bytes of its generation's memory, which exist once for all sandboxes of that generation.</summary>
    public required long GenerationBytes { get; init; }

    /// <summary>Virtual processors.</summary>
    public required int CpuCount { get; init; }

    /// <summary>Guest memory.</summary>
    public required int MemoryMiB { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its machine ended; missing while it runs.</summary>
    public DateTimeOffset? StoppedAt { get; init; }

    /// <summary>Why its machine ended; missing while it runs.</summary>
    public string? StopReason { get; init; }

    /// <summary>When it was paused; missing unless it is.</summary>
    public DateTimeOffset? PausedAt { get; init; }

    /// <summary>Bytes on disk that its memory is kept in; missing unless it is paused.</summary>
    public long? SavedBytes { get; init; }

    /// <summary>True for one that was paused without its memory, and boots anew when it is resumed; else missing.</summary>
    public bool? FilesOnly { get; init; }

    /// <summary>When its time is over; missing when it lives until it is removed. A paused one outlives it.</summary>
    public DateTimeOffset? EndsAt { get; init; }

    /// <summary>What happens then: <c>kill</c> or <c>pause</c>; missing with <see cref="EndsAt"/>.</summary>
    public string? OnTimeout { get; init; }

    /// <summary>The sandbox that it was forked from; missing when it was made from a template.</summary>
    public string? ForkedFrom { get; init; }

    /// <summary>Ancestors from the first on, also those that are gone.</summary>
    public required List<string> Lineage { get; init; }

    /// <summary>The fork that made it; missing when it was made from a template.</summary>
    public string? ForkId { get; init; }

    /// <summary>Its place among the children of that fork, from 0.</summary>
    public int? ForkIndex { get; init; }

    /// <summary>Environment of its processes.</summary>
    public required Dictionary<string, string> Env { get; init; }

    /// <summary>Labels.</summary>
    public required Dictionary<string, string> Metadata { get; init; }

    /// <summary>The process of its VMM on the host; missing when it does not run.</summary>
    public int? VmmPid { get; init; }

    /// <summary>Layers of its disk, the one that takes its writes included.</summary>
    public required int DiskLayers { get; init; }

    /// <summary>What it costs; only where that was asked for.</summary>
    public MemoryBody? Memory { get; init; }

    /// <summary>A secret that its guest knows too; only in the answer to its creation.</summary>
    public string? AccessToken { get; init; }
}

/// <summary>A place in the tree of who was forked from whom.</summary>
/// <param name="Id">Of the sandbox.</param>
/// <param name="Depth">0 at the root of the answer.</param>
/// <param name="Parent">The sandbox that it was forked from; missing when it was made from a template.</param>
/// <param name="Sandbox">Missing when it was removed: it is shown for its descendants' sake.</param>
public sealed record TreeNodeBody(string Id, int Depth, string? Parent = null, SandboxBody? Sandbox = null);

/// <summary>What a machine costs now.</summary>
/// <param name="PrivateBytes">Guest memory that only it has.</param>
/// <param name="SharedBytes">Pages of its generation that it has mapped; they exist once for all.</param>
/// <param name="VmmBytes">The rest of its VMM process.</param>
public sealed record MemoryBody(long PrivateBytes, long SharedBytes, long VmmBytes);

/// <summary>What a sandbox uses.</summary>
public sealed record MetricsBody
{
    /// <summary>What its machine costs.</summary>
    public required MemoryBody Memory { get; init; }

    /// <summary>Processor time of its VMM since it started.</summary>
    public required long VmmCpuUs { get; init; }

    /// <summary>What its own kernel says; missing when its agent does not answer within 3 s.</summary>
    public GuestMetricsBody? Guest { get; init; }
}

/// <summary>What a guest's kernel says of its load.</summary>
/// <param name="CpuCount">Processors that it sees.</param>
/// <param name="CpuUsedUs">Time that they were not idle.</param>
/// <param name="MemoryTotalBytes">Its memory.</param>
/// <param name="MemoryAvailableBytes">Free, or can be freed.</param>
/// <param name="DiskTotalBytes">Its root file system.</param>
/// <param name="DiskUsedBytes">Of that.</param>
/// <param name="Processes">All, not only those started through this API.</param>
/// <param name="UptimeMs">Since its template was booted: forks do not boot.</param>
public sealed record GuestMetricsBody(
    int CpuCount, long CpuUsedUs, long MemoryTotalBytes, long MemoryAvailableBytes, long DiskTotalBytes, long DiskUsedBytes, int Processes, long UptimeMs);
