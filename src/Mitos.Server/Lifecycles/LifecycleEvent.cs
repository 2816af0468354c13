using System.Text.Json;
using System.Text.Json.Nodes;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Lifecycles;

/// <summary>Something that happened to a sandbox. A row of the database, written in the transaction that changes its lease, and never changed.</summary>
internal sealed record LifecycleEvent
{
    /// <summary>Given by the database; grows.</summary>
    public long Sequence { get; init; }

    /// <summary>A UUID.</summary>
    public required string Id { get; init; }

    /// <summary>One of <see cref="EventTypes"/>.</summary>
    public required string Type { get; init; }

    public required string SandboxId { get; init; }

    public required string TeamId { get; init; }

    public required string Template { get; init; }

    /// <summary>The generation that it ran on; empty: not known any more.</summary>
    public required string Build { get; init; }

    /// <summary>The lease's <see cref="Lease.ExecutionId"/>.</summary>
    public required string Execution { get; init; }

    /// <summary>Unix time in ms.</summary>
    public required long AtMs { get; init; }

    /// <summary>A JSON object; null: nothing.</summary>
    public string? Data { get; init; }

    /// <summary>Of a sandbox as it is.</summary>
    public static LifecycleEvent Of(string type, Lease lease, SandboxInfo? info, DateTimeOffset at, JsonObject? data = null)
    {
        if (info is not null)
        {
            data ??= [];
            data["sandbox_metadata"] = new JsonObject(info.Metadata.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        }
        return new LifecycleEvent
        {
            Id = Guid.NewGuid().ToString(),
            Type = type,
            SandboxId = lease.Id,
            TeamId = lease.TeamId,
            Template = lease.Template,
            Build = info?.Generation ?? "",
            Execution = lease.ExecutionId,
            AtMs = at.ToUnixTimeMilliseconds(),
            Data = data?.ToJsonString(),
        };
    }
}

/// <summary>The kinds of events.</summary>
internal static class EventTypes
{
    public const string Created = "sandbox.lifecycle.created", Updated = "sandbox.lifecycle.updated", Paused = "sandbox.lifecycle.paused", Resumed = "sandbox.lifecycle.resumed",
        Killed = "sandbox.lifecycle.killed", Forked = "sandbox.lifecycle.forked", Snapshotted = "sandbox.lifecycle.snapshotted";

    public static readonly string[] All = [Created, Updated, Paused, Resumed, Killed, Forked, Snapshotted];
}
