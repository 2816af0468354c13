using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;

namespace Mitos.Server.Lifecycles;

/// <summary>What our own API does with sandboxes whose life may have an end. A lease is written before its sandbox is made: no crash leaves one that lives too long.</summary>
internal sealed class LeasedSandboxes(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, LeaseKeeper keeper, SnapshotOwners owners, TimeProvider time)
{
    public async Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, LeaseTerms terms, CancellationToken cancellationToken)
    {
        if (terms.Alone() is not { } agreed)
            return await sandboxes.CreateAsync(spec, cancellationToken);
        var id = SandboxId.New();
        await leases.AddAsync([Lease.For(id, spec.Snapshot ?? spec.Template, Now(), End(agreed.Life)) with { AutoPause = agreed.Pause }]);
        return await sandboxes.CreateAsync(spec with { Id = id }, cancellationToken);
    }

    /// <summary>Forks a sandbox; the children live as long as it, unless the terms say otherwise.</summary>
    public async Task<ForkResult> ForkAsync(SandboxInfo source, ForkSpec spec, LeaseTerms terms)
    {
        var lease = await LeaseOfAsync(source);
        if (!lease.HasEnd && terms.Alone() is null)
            return await sandboxes.ForkAsync(source.Id, spec, CancellationToken.None);
        return await ForkAsync(spec, id => (terms.Life is { } life ? lease.Child(id, Now(), End(life)) : lease.Child(id, 0, lease.EndAtMs)) with { AutoPause = terms.Pause ?? lease.AutoPause },
            with => sandboxes.ForkAsync(source.Id, with, CancellationToken.None));
    }

    /// <summary>Makes sandboxes of a snapshot.</summary>
    public Task<ForkResult> ForkAsync(SnapshotInfo snapshot, ForkSpec spec, LeaseTerms terms) => terms.Alone() is { } agreed
        ? ForkAsync(spec, id => Lease.For(id, snapshot.Id, Now(), End(agreed.Life)) with { TeamId = owners.TeamOf(snapshot), AutoPause = agreed.Pause },
            with => sandboxes.ForkSnapshotAsync(snapshot.Id, with, CancellationToken.None))
        : sandboxes.ForkSnapshotAsync(snapshot.Id, spec, CancellationToken.None);

    /// <summary>Gives a paused sandbox a machine again. An end that has passed is dropped, where no other is asked for.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it runs, and was to boot.</exception>
    public async Task<SandboxInfo> ResumeAsync(SandboxInfo sandbox, LeaseTerms terms, bool memory, CancellationToken cancellationToken)
    {
        if (!memory && sandbox.State == SandboxState.Running)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Sandbox '{sandbox.Id}' is running, and cannot be booted anew.", $"Pause it first: `mitos pause {sandbox.Id}`; or create another.");
        // First the end: one that is resumed must not be over at once.
        if (terms.Life is not null)
            await SetAsync(sandbox, terms);
        else if (!(await LeaseOfAsync(sandbox)).HasEnd)
            terms.Alone();
        else
            await leases.ChangeAsync(sandbox.Id.ToString(), lease => lease with { EndAtMs = lease.EndAtMs <= Now() ? Lease.Never : lease.EndAtMs, AutoPause = terms.Pause ?? lease.AutoPause });
        return await snapshots.ResumeAsync(sandbox.Id, memory, cancellationToken);
    }

    /// <summary>Sets the end anew, later or sooner. The terms have one.</summary>
    public async Task SetAsync(SandboxInfo sandbox, LeaseTerms terms)
    {
        var known = await LeaseOfAsync(sandbox);
        await leases.ChangeAsync(known.Id, lease => lease with { EndAtMs = End(terms.Life!.Value), AutoPause = terms.Pause ?? lease.AutoPause }, EventTypes.Updated);
    }

    /// <summary>Lets it live until it is removed.</summary>
    public Task ClearAsync(SandboxInfo sandbox) => leases.ChangeAsync(sandbox.Id.ToString(), lease => lease with { EndAtMs = Lease.Never }, EventTypes.Updated);

    public Task RemoveAsync(SandboxId id) => sandboxes.RemoveAsync(id, CancellationToken.None);

    private async Task<ForkResult> ForkAsync(ForkSpec spec, Func<SandboxId, Lease> lease, Func<ForkSpec, Task<ForkResult>> fork)
    {
        var ids = Enumerable.Range(0, Math.Clamp(spec.Count, 0, ForkSpec.MaxCount)).Select(_ => SandboxId.New()).ToList(); // a count that cannot be is the engine's to refuse
        if (ids.Count > 0)
            await leases.AddAsync(ids.Select(lease).ToList());
        return await fork(spec with { Ids = ids });
    }

    private async Task<Lease> LeaseOfAsync(SandboxInfo sandbox)
    {
        var id = sandbox.Id.ToString();
        if (leases.Find(id) is null)
            await keeper.SettleAsync(id); // it was made before there were leases
        return leases.Find(id) ?? throw SandboxException.NotFound("sandbox", id, "`mitos ls` lists the sandboxes.");
    }

    private long End(TimeSpan life) => Now() + (long)life.TotalMilliseconds;

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
