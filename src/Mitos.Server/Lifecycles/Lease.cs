using System.Security.Cryptography;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Accounts;

namespace Mitos.Server.Lifecycles;

/// <summary>
/// To whom a sandbox belongs, how long it is to live, and what is agreed about it beyond what the engine knows. Every sandbox has one; it is
/// written before its sandbox is made. A row of the database.
/// </summary>
internal sealed record Lease
{
    /// <summary>The sandbox's id.</summary>
    public required string Id { get; init; }

    /// <summary>The team that owns it.</summary>
    public string TeamId { get; init; } = "";

    /// <summary>The state whose event is written.</summary>
    public LeaseState State { get; init; }

    /// <summary>A UUID, new with each machine that runs it.</summary>
    public string ExecutionId { get; init; } = "";

    /// <summary>The <c>Idempotency-Key</c> of the request that made it; null: none.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>The template, or the snapshot, that it was asked from.</summary>
    public required string Template { get; init; }

    /// <summary>Unix time in ms: when it was made, or resumed last. While it is being made: when its life was measured, which then moves to when it can be used; 0: its end stays where it is.</summary>
    public required long StartedAtMs { get; init; }

    /// <summary>Unix time in ms: when it ends, or is paused.</summary>
    public required long EndAtMs { get; init; }

    /// <summary>Whether it is paused at its end, instead of removed.</summary>
    public bool AutoPause { get; init; }

    /// <summary>Whether such a pause keeps its memory, or its files only.</summary>
    public bool AutoPauseMemory { get; init; } = true;

    /// <summary>Whether a request to it, to one of its ports or to its agent's, resumes it.</summary>
    public bool AutoResume { get; init; }

    /// <summary>What requests to its ports must prove; null: nothing.</summary>
    public string? TrafficToken { get; init; }

    /// <summary>Whether it was allowed the internet; null: not said.</summary>
    public bool? AllowInternet { get; init; }

    /// <summary>The network as it was asked for, JSON; null: not said.</summary>
    public string? Network { get; init; }

    /// <summary><see cref="EndAtMs"/> of one that lives until it is removed.</summary>
    public static long Never { get; } = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    public bool HasEnd => EndAtMs < Never;

    public DateTimeOffset StartedAt => DateTimeOffset.FromUnixTimeMilliseconds(StartedAtMs);

    public DateTimeOffset EndAt => DateTimeOffset.FromUnixTimeMilliseconds(EndAtMs);

    /// <summary>Of a sandbox that is about to be made for the present caller.</summary>
    public static Lease For(SandboxId id, string template, long nowMs, long endAtMs = long.MaxValue) => new()
    {
        Id = id.ToString(),
        TeamId = Caller.Team,
        IdempotencyKey = Caller.Current?.IdempotencyKey,
        Template = template,
        StartedAtMs = nowMs,
        EndAtMs = Math.Min(endAtMs, Never),
    };

    /// <summary>Of a child that is about to be made of its sandbox: of the same team, whoever asks.</summary>
    public Lease Child(SandboxId id, long nowMs, long endAtMs = long.MaxValue) => this with
    {
        Id = id.ToString(),
        State = LeaseState.Pending,
        IdempotencyKey = Caller.Current?.IdempotencyKey,
        StartedAtMs = nowMs,
        EndAtMs = Math.Min(endAtMs, Never),
        TrafficToken = TrafficToken is null ? null : NewToken(),
    };

    /// <summary>A token for requests to ports.</summary>
    public static string NewToken() => RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <summary>Whether it counts among the sandboxes that its team runs.</summary>
    public bool TakesPlace => State is LeaseState.Pending or LeaseState.Running;
}

/// <summary>How far a lease has followed its sandbox.</summary>
internal enum LeaseState
{
    /// <summary>The sandbox is being made.</summary>
    Pending,

    Running,

    Paused,

    /// <summary>Its machine ended by itself.</summary>
    Stopped,
}
