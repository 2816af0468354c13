using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;

namespace Mitos.Server.Lifecycles;

/// <summary>Ends sandboxes whose time is over, and forgets the leases of those that are gone.</summary>
internal sealed class Reaper(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, TimeProvider time, ILogger<Reaper> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(2); // a lease is written before its sandbox is made

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RunOnceAsync();
            }
            catch (Exception e)
            {
                logger.LogError(e, "the ends of sandboxes could not be looked after; trying again");
            }
        }
    }

    private async Task RunOnceAsync()
    {
        var all = leases.All;
        if (all.Count == 0)
            return;
        var now = time.GetUtcNow();
        var states = sandboxes.List().ToDictionary(info => info.Id.ToString(), info => info.State);
        var gone = all.Where(lease => !states.ContainsKey(lease.Id) && lease.StartedAt + Grace < now).Select(lease => lease.Id).ToList();
        if (gone.Count > 0)
            await leases.RemoveAsync(gone);
        var over = all.Where(lease => lease.EndAt <= now && states.TryGetValue(lease.Id, out var state) && (state == SandboxState.Running || (state == SandboxState.Stopped && !lease.AutoPause))).ToList();
        await Parallel.ForEachAsync(over, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (lease, _) => await EndAsync(lease));
    }

    private async Task EndAsync(Lease lease)
    {
        try
        {
            var id = SandboxId.Parse(lease.Id);
            if (lease.AutoPause)
            {
                await snapshots.PauseAsync(id, lease.AutoPauseMemory, CancellationToken.None);
                return;
            }
            await sandboxes.RemoveAsync(id, CancellationToken.None);
            await leases.RemoveAsync([lease.Id]);
        }
        catch (SandboxException e) when (lease.AutoPause && e.Code != ErrorCode.NotFound)
        {
            logger.LogError("sandbox {Id} could not be paused at its end, and runs on for now: {Reason}", lease.Id, e.Message);
            await leases.ChangeAsync(lease.Id, late => late with { EndAtMs = time.GetUtcNow().Add(Retry).ToUnixTimeMilliseconds() });
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            // somebody else was first
        }
    }
}
