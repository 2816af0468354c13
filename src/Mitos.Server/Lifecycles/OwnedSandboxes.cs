using Mitos.Engine;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Accounts;

namespace Mitos.Server.Lifecycles;

/// <summary>
/// The engine's sandboxes as the present caller has them: another team's are not there. Every way to make, change or remove one goes through here,
/// and leaves a lease and events.
/// </summary>
internal sealed class OwnedSandboxes(IHostEngine engine, LeaseStore leases, SnapshotOwners owners, LeaseKeeper keeper, OwnedTemplates templates, TimeProvider time) : ISandboxes
{
    private readonly ISandboxes _inner = engine.Sandboxes;

    public async Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, CancellationToken cancellationToken)
    {
        var id = spec.Id ?? SandboxId.New();
        var snapshot = spec.Snapshot is { } named ? owners.Find(engine.Snapshots, named) : null;
        if (leases.Find(id.ToString()) is null)
            await leases.AddAsync([snapshot is null ? Lease.For(id, spec.Snapshot ?? spec.Template, Now()) : owners.SourceOf(snapshot).Child(id, Now()) with { TeamId = Caller.Team }]);
        try
        {
            if (spec.Snapshot is not null && snapshot is null)
                throw NoSnapshot(spec.Snapshot);
            if (spec.Snapshot is null)
                templates.Check(spec.Template);
            var info = await _inner.CreateAsync(spec with { Id = id, Scope = Team.NameScope(Caller.Team), Snapshot = snapshot?.Id }, cancellationToken);
            Caller.Current?.Made.Add(id.ToString());
            return info;
        }
        finally
        {
            await keeper.SettleAsync(id.ToString());
        }
    }

    public Task<ForkResult> ForkAsync(SandboxId source, ForkSpec spec, CancellationToken cancellationToken)
    {
        var info = Get(source);
        return MakeAsync(spec, id => LeaseOf(info).Child(id, Now()), with => _inner.ForkAsync(source, with, cancellationToken));
    }

    public Task<ForkResult> ForkSnapshotAsync(string snapshot, ForkSpec spec, CancellationToken cancellationToken)
    {
        var found = owners.Find(engine.Snapshots, snapshot) ?? throw NoSnapshot(snapshot);
        var source = owners.SourceOf(found);
        return MakeAsync(spec, id => source.Child(id, Now()), with => _inner.ForkSnapshotAsync(found.Id, with, cancellationToken));
    }

    public async Task<bool> RemoveAsync(SandboxId id, Func<SandboxInfo, bool> when, CancellationToken cancellationToken)
    {
        Get(id);
        try
        {
            return await _inner.RemoveAsync(id, when, cancellationToken);
        }
        finally
        {
            await keeper.SettleAsync(id.ToString());
        }
    }

    public IReadOnlyList<SandboxInfo> List() => Caller.SeesAll ? _inner.List() : _inner.List().Where(info => Caller.Sees(leases.TeamOf(info.Id.ToString()))).ToList();

    public SandboxInfo Find(string idOrName)
    {
        if (SandboxId.TryParse(idOrName, out var id) && TryGet(id) is { } info)
            return info;
        var seen = List();
        // Names are unique in a team; who sees all teams means his own one's first.
        return seen.FirstOrDefault(known => known.Name == idOrName && leases.TeamOf(known.Id.ToString()) == Caller.Team)
            ?? SandboxNames.Find(idOrName, seen, known => known.Id.ToString(), known => known.Name);
    }

    public SandboxInfo? TryGet(SandboxId id) => Caller.Sees(leases.TeamOf(id.ToString())) ? _inner.TryGet(id) : null;

    public async Task<SandboxInfo?> SettledAsync(SandboxId id, CancellationToken cancellationToken) =>
        Caller.Sees(leases.TeamOf(id.ToString())) ? await _inner.SettledAsync(id, cancellationToken) : null;

    public AgentClient Agent(SandboxId id) => _inner.Agent(Get(id).Id);

    public MemoryUsage ReadMemory(SandboxId id) => _inner.ReadMemory(Get(id).Id);

    public TimeSpan ReadCpuTime(SandboxId id) => _inner.ReadCpuTime(Get(id).Id);

    public byte[] ReadConsole(SandboxId id, int maxBytes) => _inner.ReadConsole(Get(id).Id, maxBytes);

    public Task WaitStoppedAsync(SandboxId id, CancellationToken cancellationToken) => _inner.WaitStoppedAsync(Get(id).Id, cancellationToken);

    // The children have leases before they are made, unless the caller wrote some down.
    private async Task<ForkResult> MakeAsync(ForkSpec spec, Func<SandboxId, Lease> lease, Func<ForkSpec, Task<ForkResult>> fork)
    {
        var ids = spec.Ids.Concat(Enumerable.Range(0, Math.Clamp(spec.Count - spec.Ids.Count, 0, ForkSpec.MaxCount)).Select(_ => SandboxId.New())).ToList();
        if (ids.Count > 0 && leases.Find(ids[0].ToString()) is null)
            await leases.AddAsync(ids.Select(lease).ToList());
        try
        {
            var result = await fork(spec with { Ids = ids });
            Caller.Current?.Made.AddRange(result.Children.Where(child => child.Sandbox is not null).Select(child => ids[child.Index].ToString()));
            return result;
        }
        finally
        {
            await keeper.SettleAsync(ids.Select(id => id.ToString()).ToList());
        }
    }

    private static SandboxException NoSnapshot(string snapshot) => SandboxException.NotFound("snapshot", snapshot, "`mitos snapshot ls` lists the snapshots.");

    private SandboxInfo Get(SandboxId id) => TryGet(id) ?? throw SandboxException.NotFound("sandbox", id.ToString(), "`mitos ls` lists the sandboxes.");

    private Lease LeaseOf(SandboxInfo info) => leases.Find(info.Id.ToString()) ?? Lease.For(info.Id, info.Template, Now()) with { TeamId = Team.DefaultId };

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
