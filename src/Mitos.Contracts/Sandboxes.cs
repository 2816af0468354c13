namespace Mitos.Contracts;

/// <summary>Asks for a sandbox. All may be left out.</summary>
public sealed record CreateSandboxRequest
{
    /// <summary>Default <c>base</c>.</summary>
    public string? Template { get; init; }
    public string? Name { get; init; }
    /// <summary>Default: the template's.</summary>
    public int? CpuCount { get; init; }
    /// <summary>Default: the template's.</summary>
    public int? MemoryMiB { get; init; }
    public Dictionary<string, string>? Env { get; init; }
    public Dictionary<string, string>? Metadata { get; init; }
}

/// <summary>Asks for children of a running sandbox.</summary>
public sealed record ForkRequest
{
    /// <summary>1 to 100. Default 1.</summary>
    public int? Count { get; init; }
    public Dictionary<string, string>? Env { get; init; }
    public Dictionary<string, string>? Metadata { get; init; }
    /// <summary>Names of the children, by index.</summary>
    public List<string>? Names { get; init; }
}

/// <summary>A sandbox as it is now.</summary>
public sealed record SandboxBody
{
    public required string Id { get; init; }
    public string? Name { get; init; }
    /// <summary><c>running</c> or <c>stopped</c>.</summary>
    public required string State { get; init; }
    public required string Template { get; init; }
    public required string Generation { get; init; }
    /// <summary>Bytes of its generation's memory, which exist once for all sandboxes of that generation.</summary>
    public required long GenerationBytes { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMiB { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StoppedAt { get; init; }
    public string? StopReason { get; init; }
    public string? ForkedFrom { get; init; }
    /// <summary>Ancestors from the first on, also those that are gone.</summary>
    public required List<string> Lineage { get; init; }
    public string? ForkId { get; init; }
    public int? ForkIndex { get; init; }
    public required Dictionary<string, string> Env { get; init; }
    public required Dictionary<string, string> Metadata { get; init; }
    public int? VmmPid { get; init; }
    public required int DiskLayers { get; init; }
    /// <summary>Only where it was asked for.</summary>
    public MemoryBody? Memory { get; init; }
    /// <summary>Only in the answer to its creation.</summary>
    public string? AccessToken { get; init; }
}

/// <summary>What a machine costs now.</summary>
/// <param name="PrivateBytes">Guest memory that only it has.</param>
/// <param name="SharedBytes">Pages of its generation that it has mapped; they exist once for all.</param>
/// <param name="VmmBytes">The rest of its VMM process.</param>
public sealed record MemoryBody(long PrivateBytes, long SharedBytes, long VmmBytes);

/// <summary>What a fork made.</summary>
public sealed record ForkBody
{
    public required string ForkId { get; init; }
    public required string Source { get; init; }
    public required List<ForkChildBody> Children { get; init; }
    public required ForkTimingsBody Timings { get; init; }
}

/// <summary>One child: a sandbox or an error.</summary>
public sealed record ForkChildBody
{
    public required int Index { get; init; }
    public SandboxBody? Sandbox { get; init; }
    public ErrorBody? Error { get; init; }
    /// <summary>From the call to the end of its handshake.</summary>
    public required long ReadyUs { get; init; }
}

/// <summary>Where a fork's time went; <see cref="PauseUs"/> is the sum of the five after it.</summary>
public sealed record ForkTimingsBody(
    long PauseUs, long StopUs, long FreezeDiskUs, long DeviceStateUs, long ListUs, long CopyUs, long ResumeUs, long PrepareUs, long TotalUs, long DeltaBytes);

/// <summary>What a sandbox uses.</summary>
public sealed record MetricsBody
{
    public required MemoryBody Memory { get; init; }
    /// <summary>Processor time of its VMM since it started.</summary>
    public required long VmmCpuUs { get; init; }
    /// <summary>What its own kernel says; null when its agent does not answer in time.</summary>
    public GuestMetricsBody? Guest { get; init; }
}

/// <summary>What a guest's kernel says of its load.</summary>
public sealed record GuestMetricsBody(
    int CpuCount, long CpuUsedUs, long MemoryTotalBytes, long MemoryAvailableBytes, long DiskTotalBytes, long DiskUsedBytes, int Processes, long UptimeMs);
