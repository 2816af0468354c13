using System.Collections.Concurrent;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.E2B.Control;

/// <summary>
/// What sandboxes used: a sample every five seconds of those that have a lease and run, and one at once for who asks before that. A
/// guest is only asked when its VMM has worked since: an idle one is not woken, and its last sample holds.
/// </summary>
internal sealed class MetricSamples(ISandboxes sandboxes, LeaseStore leases, TimeProvider time, ILogger<MetricSamples> logger) : BackgroundService
{
    private const double IdleShare = 0.02;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5), Kept = TimeSpan.FromHours(1), GuestLimit = TimeSpan.FromSeconds(5);
    private static readonly ParallelOptions FewAtOnce = new() { MaxDegreeOfParallelism = 4 };
    private readonly ConcurrentDictionary<SandboxId, MetricSeries> _series = new();

    /// <summary>What is known between two instants; of one that runs and was never sampled, a sample is taken now.</summary>
    public async Task<List<MetricBody>> ReadAsync(SandboxInfo info, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var series = _series.GetOrAdd(info.Id, _ => new MetricSeries());
        if (info.State == SandboxState.Running && series.IsEmpty)
            await SampleAsync(info.Id, series, cancellationToken);
        return series.Between(from, to);
    }

    /// <summary>The last known share of all its processors together, percent; 0 when nothing is known.</summary>
    public async Task<double> ReadCpuShareAsync(SandboxInfo info, CancellationToken cancellationToken) =>
        (await ReadAsync(info, DateTimeOffset.MinValue, DateTimeOffset.MaxValue, cancellationToken)).LastOrDefault()?.CpuUsedPct ?? 0;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RunOnceAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogError(e, "sandboxes could not be sampled; trying again");
            }
        }
    }

    private async Task RunOnceAsync(CancellationToken stoppingToken)
    {
        foreach (var (id, series) in _series)
        {
            series.Forget(time.GetUtcNow() - Kept);
            if (sandboxes.TryGet(id) is null)
                _series.TryRemove(id, out _);
        }
        var leased = leases.All.Select(lease => lease.Id).ToHashSet();
        var running = sandboxes.List().Where(info => info.State == SandboxState.Running && leased.Contains(info.Id.ToString()));
        await Parallel.ForEachAsync(running, FewAtOnce, async (info, _) => await SampleAsync(info.Id, _series.GetOrAdd(info.Id, _ => new MetricSeries()), stoppingToken));
    }

    private async Task SampleAsync(SandboxId id, MetricSeries series, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(GuestLimit);
        try
        {
            var worked = sandboxes.ReadCpuTime(id);
            var now = time.GetUtcNow();
            if (series.TryRepeat(now, worked, IdleShare))
                return;
            var metrics = await sandboxes.Agent(id).GetMetricsAsync(limit.Token);
            series.Add(time.GetUtcNow(), metrics, sandboxes.ReadCpuTime(id));
        }
        catch (Exception e) when (e is SandboxException or AgentException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            logger.LogDebug("sandbox {Sandbox} was not sampled: {Reason}", id, e.Message); // it ended, or is too busy to answer; what is known stays
        }
    }
}
