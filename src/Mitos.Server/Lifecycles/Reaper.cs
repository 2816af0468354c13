using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Observability;

namespace Mitos.Server.Lifecycles;

/// <summary>Ends sandboxes whose time is over, and sees to it that leases follow sandboxes: at the start, and whenever it looks.</summary>
internal sealed class Reaper(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, LeaseKeeper keeper, TimeProvider time, ILogger<Reaper> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(30); // a failure is told so often
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(30);

    /// <summary>Before anybody is served: what happened while no daemon ran, or while the last one ended.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await keeper.ReconcileAsync();
        }
        catch (SandboxException e)
        {
            logger.LogWarning("what happened while no daemon ran is written when the database takes it: {Reason}", e.Message);
        }
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        long? told = null;
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RunOnceAsync();
            }
            catch (SandboxException e)
            {
                if (told is not { } last || time.GetElapsedTime(last) > Quiet)
                {
                    logger.LogWarning("leases are not looked after for now: {Reason}", e.Message);
                    told = time.GetTimestamp();
                }
            }
            catch (Exception e)
            {
                logger.LogError(e, "the ends of sandboxes could not be looked after; trying again");
            }
        }
    }

    private async Task RunOnceAsync()
    {
        var now = time.GetUtcNow();
        var all = leases.All;
        var states = sandboxes.List().ToDictionary(info => info.Id.ToString(), info => info.State);
        var over = all.Where(lease => lease.EndAt <= now && states.TryGetValue(lease.Id, out var state) && (state == SandboxState.Running || (state == SandboxState.Stopped && !lease.AutoPause))).ToList();
        await Parallel.ForEachAsync(over, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (lease, _) => await EndAsync(lease.Id));
        await keeper.ReconcileAsync();
    }

    private async Task EndAsync(string sandbox)
    {
        var id = SandboxId.Parse(sandbox);
        using (var ending = await leases.BeginEndAsync(sandbox)) // it may have waited for its turn: whoever moved its end meanwhile has been answered
        {
            if (ending is null || await TryEndAsync(id, ending.Lease))
                return;
        }
        await leases.ChangeAsync(sandbox, late => late with { EndAtMs = Math.Max(late.EndAtMs, time.GetUtcNow().Add(Retry).ToUnixTimeMilliseconds()) });
    }

    /// <returns>False: it could not be paused.</returns>
    private async Task<bool> TryEndAsync(SandboxId id, Lease lease)
    {
        using var span = ServerMeter.Trace.StartActivity("reaper end");
        span?.SetTag("mitos.sandbox", lease.Id);
        try
        {
            if (lease.AutoPause)
            {
                await snapshots.PauseAsync(id, lease.AutoPauseMemory, CancellationToken.None);
                ServerMeter.Ended("pause");
            }
            else if (await sandboxes.RemoveAsync(id, info => info.State != SandboxState.Paused, CancellationToken.None)) // what somebody has paused meanwhile is kept
            {
                ServerMeter.Ended("kill");
            }
        }
        catch (SandboxException e) when (lease.AutoPause && sandboxes.TryGet(id) is { State: SandboxState.Running })
        {
            ServerMeter.Ended("failed");
            logger.LogError("sandbox {Sandbox} could not be paused at its end, and runs on for now: {Reason}", lease.Id, e.Message);
            return false;
        }
        catch (SandboxException e) when (lease.AutoPause || e.Code == ErrorCode.NotFound)
        {
            // somebody else was first: it is paused, gone, or has ended
        }
        return true;
    }
}
