using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Accounts;

namespace Mitos.Server.Lifecycles;

/// <summary>The engine's snapshots as the present caller has them: another team's are not there.</summary>
internal sealed class OwnedSnapshots(IHostEngine engine, LeaseStore leases, SnapshotOwners owners, LeaseKeeper keeper) : ISnapshots
{
    private readonly ISnapshots _inner = engine.Snapshots;

    public async Task<SandboxInfo> PauseAsync(SandboxId id, bool memory, CancellationToken cancellationToken)
    {
        Check(id);
        try
        {
            return await _inner.PauseAsync(id, memory, cancellationToken);
        }
        finally
        {
            await keeper.SettleAsync(id.ToString());
        }
    }

    public async Task<SandboxInfo> ResumeAsync(SandboxId id, bool memory, CancellationToken cancellationToken)
    {
        Check(id);
        using var place = leases.Find(id.ToString()) is { } lease ? await leases.TakePlaceAsync(lease) : null;
        try
        {
            return await _inner.ResumeAsync(id, memory, cancellationToken);
        }
        finally
        {
            await keeper.SettleAsync(id.ToString());
        }
    }

    public async Task<SnapshotInfo> CreateAsync(SandboxId id, string? name, CancellationToken cancellationToken)
    {
        Check(id);
        var taken = await _inner.CreateAsync(id, name, cancellationToken);
        await keeper.SettleSnapshotsAsync();
        return taken;
    }

    public IReadOnlyList<SnapshotInfo> List() => Caller.SeesAll ? _inner.List() : _inner.List().Where(IsSeen).ToList();

    public SnapshotInfo? TryFind(string idOrName) => owners.Find(_inner, idOrName);

    public SnapshotInfo? TryFindPaused(SandboxId id) => Caller.Sees(leases.TeamOf(id.ToString())) ? _inner.TryFindPaused(id) : null;

    public void Remove(string id)
    {
        var found = TryFind(id) ?? throw SandboxException.NotFound("snapshot", id, "`mitos snapshot ls` lists the snapshots.");
        _inner.Remove(found.Id);
    }

    private bool IsSeen(SnapshotInfo snapshot) => Caller.Sees(owners.TeamOf(snapshot));

    private void Check(SandboxId id)
    {
        if (!Caller.Sees(leases.TeamOf(id.ToString())))
            throw SandboxException.NotFound("sandbox", id.ToString(), "`mitos ls` lists the sandboxes.");
    }
}
