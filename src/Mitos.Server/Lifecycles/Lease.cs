namespace Mitos.Server.Lifecycles;

/// <summary>How long a sandbox is to live, and what is agreed about it beyond what the engine knows. A row of the database.</summary>
internal sealed record Lease
{
    /// <summary>The sandbox's id.</summary>
    public required string Id { get; init; }

    /// <summary>The template, or the snapshot, that it was asked from.</summary>
    public required string Template { get; init; }

    /// <summary>Unix time in ms: when it was made, or resumed last.</summary>
    public required long StartedAtMs { get; init; }

    /// <summary>Unix time in ms: when it ends, or is paused.</summary>
    public required long EndAtMs { get; init; }

    /// <summary>Whether it is paused at its end, instead of removed.</summary>
    public bool AutoPause { get; init; }

    /// <summary>Whether such a pause keeps its memory, or its files only.</summary>
    public bool AutoPauseMemory { get; init; } = true;

    /// <summary>Whether a request to one of its ports resumes it.</summary>
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
}
