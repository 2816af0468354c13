using System.Diagnostics;

namespace Mitos.Linux;

/// <summary>A moment of the monotonic clock until which something may take.</summary>
public readonly record struct Deadline
{
    private readonly long _timestamp;

    private Deadline(long timestamp) => _timestamp = timestamp;

    public static Deadline In(TimeSpan duration) => new(Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency));

    /// <summary>Milliseconds left, rounded up; 0 when it has passed.</summary>
    public int RemainingMs => (int)Math.Clamp(Math.Ceiling((_timestamp - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency), 0, int.MaxValue);
}
