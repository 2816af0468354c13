using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mitos.Server.E2B.Control;

/// <param name="Code">The HTTP status.</param>
/// <param name="Message">For people.</param>
internal sealed record E2BError(int Code, string Message);

/// <summary>POST /sandboxes and /v2/sandboxes.</summary>
internal sealed record NewSandbox
{
    public string? TemplateID { get; init; }
    /// <summary>Seconds.</summary>
    public int? Timeout { get; init; }
    public bool? AutoPause { get; init; }
    public bool? AutoPauseMemory { get; init; }
    public AutoResumeBody? AutoResume { get; init; }
    [JsonPropertyName("allow_internet_access")]
    public bool? AllowInternetAccess { get; init; }
    public JsonElement? Network { get; init; }
    public Dictionary<string, string>? Metadata { get; init; }
    public Dictionary<string, string>? EnvVars { get; init; }
    /// <summary>Read so that a wrong type is seen; every sandbox has a token.</summary>
    public bool? Secure { get; init; }
    /// <summary>Read so that a wrong type is seen: their packages start the gateway themselves.</summary>
    public Dictionary<string, JsonElement>? Mcp { get; init; }
    public IamBody? Iam { get; init; }
    public List<VolumeMountBody>? VolumeMounts { get; init; }
}

internal sealed record IamBody(Dictionary<string, IamTokenBody>? Tokens = null);

internal sealed record IamTokenBody(string? Audience = null, string? TokenType = null);

internal sealed record VolumeMountBody(string? Name = null, string? Path = null);

internal sealed record AutoResumeBody(bool Enabled);

/// <summary>What create, connect and fork answer.</summary>
internal sealed record SandboxBody
{
    public required string TemplateID { get; init; }
    public required string SandboxID { get; init; }
    public string? Alias { get; init; }
    public required string ClientID { get; init; }
    public required string EnvdVersion { get; init; }
    public string? EnvdAccessToken { get; init; }
    public string? TrafficAccessToken { get; init; }
    public string? Domain { get; init; }
}

/// <summary>GET /sandboxes/{id}; a list has the same without the token.</summary>
internal sealed record SandboxDetail
{
    public required string TemplateID { get; init; }
    public string? Alias { get; init; }
    public required string SandboxID { get; init; }
    public required string ClientID { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required DateTimeOffset EndAt { get; init; }
    public required string EnvdVersion { get; init; }
    public string? EnvdAccessToken { get; init; }
    public bool? AllowInternetAccess { get; init; }
    public string? Domain { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMB { get; init; }
    public required int DiskSizeMB { get; init; }
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
    public required string State { get; init; }
    public JsonElement? Network { get; init; }
    public LifecycleBody? Lifecycle { get; init; }

    /// <summary>Ours: the sandbox that it was forked from. Clients of E2B's ignore it.</summary>
    public string? ForkedFrom { get; init; }

    /// <summary>Ours: the fork that made it, the same for all of its siblings.</summary>
    public string? ForkPoint { get; init; }
}

internal sealed record LifecycleBody(bool AutoResume, string OnTimeout);

/// <param name="Timeout">Seconds.</param>
/// <param name="Duration">Seconds; of /refreshes.</param>
/// <param name="Memory">Whether to resume memory too.</param>
/// <param name="AutoPause">Whether it is paused at its end; of /resume.</param>
internal sealed record TimeoutRequest(int? Timeout = null, int? Duration = null, bool? Memory = null, bool? AutoPause = null);

/// <param name="Timeout">Seconds.</param>
/// <param name="Count">1 to 100.</param>
internal sealed record ForkRequest(int? Timeout = null, int? Count = null);

internal sealed record ForkResultBody(SandboxBody? Sandbox, E2BError? Error);

internal sealed record PauseRequest(bool? Memory = null);

internal sealed record SnapshotRequest(string? Name = null);

internal sealed record SnapshotBody(string SnapshotID, IReadOnlyList<string> Names);

/// <summary>A sample. Sizes in bytes.</summary>
internal sealed record MetricBody(
    DateTimeOffset Timestamp, long TimestampUnix, int CpuCount, double CpuUsedPct, long MemUsed, long MemTotal, long MemCache, long DiskUsed, long DiskTotal);

internal sealed record ManyMetricsBody(Dictionary<string, MetricBody> Sandboxes);

internal sealed record LogBody(DateTimeOffset Timestamp, string Line);

internal sealed record LogEntryBody(DateTimeOffset Timestamp, string Message, string Level, Dictionary<string, string> Fields);

internal sealed record LogsBody(List<LogBody> Logs, List<LogEntryBody> LogEntries);

internal sealed record LogsV2Body(List<LogEntryBody> Logs);

internal sealed record TemplateBody
{
    public required string TemplateID { get; init; }
    public required Guid BuildID { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMB { get; init; }
    public required int DiskSizeMB { get; init; }
    public required bool Public { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required string EnvdVersion { get; init; }
    public required IReadOnlyList<string> Aliases { get; init; }
    public required IReadOnlyList<string> Names { get; init; }
    public required string BuildStatus { get; init; }
    public required int BuildCount { get; init; }
    public required long SpawnCount { get; init; }

    /// <summary>Not kept here; a client's model may insist on it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public object? CreatedBy { get; init; }

    /// <summary>Not kept here; a client's model may insist on it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public DateTimeOffset? LastSpawnedAt { get; init; }
}

internal sealed record TemplateWithBuildsBody
{
    public required string TemplateID { get; init; }
    public required bool Public { get; init; }
    public required IReadOnlyList<string> Aliases { get; init; }
    public required IReadOnlyList<string> Names { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required long SpawnCount { get; init; }
    public required IReadOnlyList<TemplateBuildBody> Builds { get; init; }

    /// <summary>Not kept here; a client's model may insist on it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public DateTimeOffset? LastSpawnedAt { get; init; }
}

internal sealed record TemplateBuildBody(
    Guid BuildID, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, DateTimeOffset FinishedAt, int CpuCount, int MemoryMB, int DiskSizeMB, string EnvdVersion);

internal sealed record TemplateUpdateRequest(bool? Public = null);

internal sealed record TemplateUpdateBody(IReadOnlyList<string> Names);

internal sealed record TemplateAliasBody(string TemplateID, bool Public);

internal sealed record TeamBody(string TeamID, string Name, string ApiKey, bool IsDefault);

/// <param name="ExpiresAt">Ours; theirs have no end.</param>
internal sealed record KeyBody(string Id, string Name, DateTimeOffset CreatedAt, MaskBody Mask, string? Key = null, DateTimeOffset? LastUsed = null, DateTimeOffset? ExpiresAt = null);

internal sealed record MaskBody(string Prefix, int ValueLength, string MaskedValuePrefix, string MaskedValueSuffix);

internal sealed record NewKeyRequest(string? Name);
