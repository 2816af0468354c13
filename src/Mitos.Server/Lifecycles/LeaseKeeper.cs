using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Lifecycles;

/// <summary>Sees to it that leases, owners and events follow what the engine has. What cannot be written now, because the database is away, is written later.</summary>
internal sealed class LeaseKeeper(IHostEngine engine, LeaseStore leases, SnapshotOwners owners, ILogger<LeaseKeeper> logger)
{
    /// <summary>After the caller made, changed or removed sandboxes, or failed to. Does not fail.</summary>
    public async Task SettleAsync(params IReadOnlyCollection<string> ids)
    {
        try
        {
            await leases.SettleAsync(ids, Observe, mine: true);
        }
        catch (SandboxException e)
        {
            logger.LogWarning("what became of {Ids} is written when the database is back: {Reason}", string.Join(", ", ids), e.Message);
        }
    }

    /// <summary>After the caller took or removed a snapshot. Does not fail.</summary>
    public async Task SettleSnapshotsAsync()
    {
        try
        {
            await owners.SettleAsync(engine.Snapshots.List);
        }
        catch (SandboxException e)
        {
            logger.LogWarning("whose the snapshots are is written when the database is back: {Reason}", e.Message);
        }
    }

    /// <summary>Compares everything; what nobody is just making or removing is put right.</summary>
    /// <exception cref="SandboxException">Unavailable.</exception>
    public async Task ReconcileAsync()
    {
        await owners.SettleAsync(engine.Snapshots.List); // first: their owner is that of their source
        var states = engine.Sandboxes.List().ToDictionary(info => info.Id.ToString(), info => info.State);
        var off = leases.All.Where(lease => !states.TryGetValue(lease.Id, out var state) || !Fits(lease.State, state)).Select(lease => lease.Id)
            .Concat(states.Keys.Where(id => leases.Find(id) is null)).ToList();
        if (off.Count > 0)
            await leases.SettleAsync(off, Observe, mine: false);
    }

    private static bool Fits(LeaseState lease, SandboxState sandbox) => (lease, sandbox) is (LeaseState.Running, SandboxState.Running) or (LeaseState.Paused, SandboxState.Paused)
        or (LeaseState.Stopped, SandboxState.Stopped) or (_, SandboxState.Starting);

    private SandboxInfo? Observe(string id) => SandboxId.TryParse(id, out var parsed) ? engine.Sandboxes.TryGet(parsed) : null;
}
