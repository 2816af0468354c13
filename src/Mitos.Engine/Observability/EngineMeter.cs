using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Observability;

/// <summary>What engines of this process count and time; see the table in docs/operations.md. Nothing here is called while a source stands still.</summary>
public static class EngineMeter
{
    public const string Name = "Mitos.Engine";

    private static readonly Meter Meter = new(Name);
    private static readonly InstrumentAdvice<double> Fast = new() { HistogramBucketBoundaries = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] };
    private static readonly InstrumentAdvice<double> Slow = new() { HistogramBucketBoundaries = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60] };
    private static readonly Counter<long> Forks = Meter.CreateCounter<long>("mitos.forks", null, "Forks, by result: ok (a child at least lives), failed (none does), refused.");
    private static readonly Counter<long> Children = Meter.CreateCounter<long>("mitos.fork.children", null, "Children of forks, by result: ok, failed.");
    private static readonly Histogram<double> ForkPause = Meter.CreateHistogram("mitos.fork.pause", "s", "How long sources of forks stood still.", advice: Fast);
    private static readonly Histogram<double> ChildReady = Meter.CreateHistogram("mitos.fork.child.ready", "s", "From the call of a fork to a child's acknowledged handshake.", advice: Slow);
    private static readonly Histogram<long> Delta = Meter.CreateHistogram("mitos.fork.delta", "By", "Memory in which forked sources differed from their generations.",
        advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = [1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1L << 30, 4L << 30] });
    private static readonly Counter<long> Execs = Meter.CreateCounter<long>("mitos.execs", null, "Processes started in guests.");
    private static readonly UpDownCounter<long> Streams = Meter.CreateUpDownCounter<long>("mitos.streams.open", null, "Streams to guests that are open: output of processes, and ports.");
    private static readonly Counter<long> Reconnects = Meter.CreateCounter<long>("mitos.agent.reconnects", null, "Connections to agents that broke and were made again.");

    internal static readonly Histogram<double> Create = Meter.CreateHistogram("mitos.sandbox.create", "s", "Making sandboxes of templates and snapshots, by result: ok, failed.", advice: Slow);
    internal static readonly Histogram<double> Pause = Meter.CreateHistogram("mitos.sandbox.pause", "s", "Pausing sandboxes to disk, by result.", advice: Slow);
    internal static readonly Histogram<double> Resume = Meter.CreateHistogram("mitos.sandbox.resume", "s", "Resuming sandboxes, by result.", advice: Slow);
    internal static readonly Histogram<double> Snapshot = Meter.CreateHistogram("mitos.snapshot.create", "s", "Taking snapshots, by result.", advice: Slow);

    internal static void Started() => Execs.Add(1);

    internal static void Opened() => Streams.Add(1);

    internal static void Closed() => Streams.Add(-1);

    internal static void Reconnected() => Reconnects.Add(1);

    /// <summary>A fork that came to children.</summary>
    internal static void Forked(ForkResult result)
    {
        var born = 0;
        foreach (var child in result.Children)
        {
            if (child.Sandbox is null)
                continue;
            born++;
            ChildReady.Record(child.Ready.TotalSeconds);
        }
        Add(Children, born, "ok");
        Add(Children, result.Children.Count - born, "failed");
        Add(Forks, 1, born > 0 ? "ok" : "failed");
        Delta.Record(result.Timings.DeltaBytes);
        if (result.Timings.Pause > TimeSpan.Zero)
            ForkPause.Record(result.Timings.Pause.TotalSeconds); // a snapshot's sandbox was not stopped for this
    }

    /// <summary>A fork that came to no children.</summary>
    internal static void NotForked(Exception e) => Add(Forks, 1, e is SandboxException { Code: not ErrorCode.Internal } or OperationCanceledException ? "refused" : "failed");

    /// <summary>Times an operation, in a span; the result says how it ended.</summary>
    internal static async Task<T> TimeAsync<T>(Histogram<double> histogram, string name, string? sandbox, Func<Activity?, Task<T>> operation)
    {
        using var span = EngineTrace.Start(name, sandbox);
        var started = Stopwatch.GetTimestamp();
        try
        {
            var made = await operation(span);
            histogram.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, new KeyValuePair<string, object?>("result", "ok"));
            return made;
        }
        catch (Exception e)
        {
            EngineTrace.Fail(span, e);
            histogram.Record(Stopwatch.GetElapsedTime(started).TotalSeconds, new KeyValuePair<string, object?>("result", "failed"));
            throw;
        }
    }

    private static void Add(Counter<long> counter, long count, string result)
    {
        if (count > 0)
            counter.Add(count, new KeyValuePair<string, object?>("result", result));
    }
}
