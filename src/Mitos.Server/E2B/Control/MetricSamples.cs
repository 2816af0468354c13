using System.Collections.Concurrent;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Control;

/// <summary>
/// What sandboxes used, sampled whenever somebody asks: a guest that nobody watches is not woken for it. The last hour or so of
/// what was asked for is kept.
/// </summary>
internal sealed class MetricSamples(ISandboxes sandboxes, TimeProvider time)
{
    private const int Kept = 720;
    private static readonly TimeSpan GuestLimit = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<SandboxId, Series> _series = new();

    /// <summary>Samples now, and returns what is known between two instants.</summary>
    public async Task<List<MetricBody>> ReadAsync(SandboxId id, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        foreach (var gone in _series.Keys.Where(known => sandboxes.TryGet(known) is null))
            _series.TryRemove(gone, out _);
        var series = _series.GetOrAdd(id, _ => new Series());
        await SampleAsync(id, series, cancellationToken);
        lock (series)
            return series.Samples.Where(sample => sample.Timestamp >= from && sample.Timestamp <= to).ToList();
    }

    private async Task SampleAsync(SandboxId id, Series series, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(GuestLimit);
        GuestMetrics metrics;
        try
        {
            metrics = await sandboxes.Agent(id).GetMetricsAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return; // too busy to answer; what is known stays
        }
        var now = time.GetUtcNow();
        lock (series)
        {
            var (before, used) = series.Last ?? (now - metrics.Uptime, TimeSpan.Zero);
            var elapsed = (now - before).TotalSeconds;
            var percent = elapsed > 0 ? Math.Clamp((metrics.CpuUsed - used).TotalSeconds / elapsed / Math.Max(1, metrics.CpuCount) * 100, 0, 100) : 0;
            series.Last = (now, metrics.CpuUsed);
            series.Samples.Enqueue(new MetricBody(now, now.ToUnixTimeSeconds(), metrics.CpuCount, Math.Round(percent, 2),
                metrics.MemoryTotalBytes - metrics.MemoryAvailableBytes, metrics.MemoryTotalBytes, 0, metrics.DiskUsedBytes, metrics.DiskTotalBytes));
            while (series.Samples.Count > Kept)
                series.Samples.Dequeue();
        }
    }

    private sealed class Series
    {
        public Queue<MetricBody> Samples { get; } = [];

        public (DateTimeOffset At, TimeSpan Used)? Last { get; set; }
    }
}
