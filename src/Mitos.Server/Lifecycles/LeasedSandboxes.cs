using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Accounts;

namespace Mitos.Server.Lifecycles;

/// <summary>What our own API does with sandboxes whose life may have an end. A lease is written before its sandbox is made: no crash leaves one that lives too long.</summary>
internal sealed class LeasedSandboxes(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, LeaseKeeper keeper, SnapshotOwners owners, TimeProvider time)
{
    public async Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, LeaseTerms terms, CancellationToken cancellationToken)
    {
        if (terms.Alone() is not { } agreed)
            return await sandboxes.CreateAsync(spec, cancellationToken);
        var id = SandboxId.New();
        var lease = spec.Snapshot is { } named && snapshots.TryFind(named) is { } snapshot
            ? owners.SourceOf(snapshot).Child(id, Now(), End(agreed.Life)) with { TeamId = Caller.Team }
            : Lease.For(id, spec.Snapshot ?? spec.Template, Now(), End(agreed.Life));
        await leases.AddAsync([lease with { AutoPause = terms.Pause ?? lease.AutoPause }]);
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

    /// <summary>Makes sandboxes of a snapshot; but for their end, they have what was agreed about its sandbox, unless the terms say otherwise.</summary>
    public Task<ForkResult> ForkAsync(SnapshotInfo snapshot, ForkSpec spec, LeaseTerms terms)
    {
        if (terms.Alone() is not { } agreed)
            return sandboxes.ForkSnapshotAsync(snapshot.Id, spec, CancellationToken.None);
        var source = owners.SourceOf(snapshot);
        return ForkAsync(spec, id => source.Child(id, Now(), End(agreed.Life)) with { AutoPause = terms.Pause ?? source.AutoPause },
            with => sandboxes.ForkSnapshotAsync(snapshot.Id, with, CancellationToken.None));
    }

    /// <summary>Gives a paused sandbox a machine again. An end that has passed is dropped, where no other is asked for.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it runs, and was to boot.</exception>
    public async Task<SandboxInfo> ResumeAsync(SandboxInfo sandbox, LeaseTerms terms, bool memory, CancellationToken cancellationToken)
    {
        sandbox = await sandboxes.SettledAsync(sandbox.Id, cancellationToken) ?? throw NotFound(sandbox.Id.ToString());
        if (!memory && sandbox.State == SandboxState.Running)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Sandbox '{sandbox.Id}' is running, and cannot be booted anew.", $"Pause it first: `mitos pause {sandbox.Id}`; or create another.");
        if (terms.Life is null && !(await LeaseOfAsync(sandbox)).HasEnd)
            terms.Alone();
        return (await ResumeAsync(sandbox, lease => lease with
        {
            EndAtMs = terms.Life is { } life ? End(life) : lease.EndAtMs <= Now() ? Lease.Never : lease.EndAtMs,
            AutoPause = terms.Pause ?? lease.AutoPause,
        }, terms.Life is null ? null : EventTypes.Updated, memory, cancellationToken)).Sandbox;
    }

    /// <summary>Gives a paused sandbox a machine again, on other terms. One that runs keeps its machine; one that is just being paused is resumed when it is.</summary>
    /// <param name="sandbox">As it was seen.</param>
    /// <param name="agree">What its lease is to be. If it cannot be resumed, it is as before.</param>
    /// <param name="type">The event that this is, if it changes anything; null: none.</param>
    /// <param name="memory">Whether it gets its memory.</param>
    /// <param name="cancellationToken">Heeded until it has a machine.</param>
    /// <returns>The sandbox, its lease, and whether it has another machine than when it was seen.</returns>
    public async Task<(SandboxInfo Sandbox, Lease Lease, bool Resumed)> ResumeAsync(SandboxInfo sandbox, Func<Lease, Lease> agree, string? type, bool memory, CancellationToken cancellationToken)
    {
        var before = await LeaseOfAsync(sandbox);
        using var place = await leases.TakePlaceAsync(before); // for whom there is none, nothing changes
        // First the lease: one that is resumed must not be over at once, whatever becomes of us.
        var agreed = await leases.ChangeAsync(before.Id, lease => agree(before = lease), type) ?? throw NotFound(before.Id);
        try
        {
            var resumed = await snapshots.ResumeAsync(sandbox.Id, memory, cancellationToken);
            return (resumed, leases.Find(before.Id) ?? agreed, resumed.VmmPid != sandbox.VmmPid);
        }
        catch
        {
            await PutBackAsync(before, agreed, type);
            throw;
        }
    }

    /// <summary>Sets the end anew, later or sooner. The terms have one.</summary>
    /// <exception cref="SandboxException">NotFound: the old one was nearer.</exception>
    public Task SetAsync(SandboxInfo sandbox, LeaseTerms terms) => UpdateAsync(sandbox, lease => lease with { EndAtMs = End(terms.Life!.Value), AutoPause = terms.Pause ?? lease.AutoPause });

    /// <summary>Lets it live until it is removed.</summary>
    /// <exception cref="SandboxException">NotFound: its end was nearer.</exception>
    public Task ClearAsync(SandboxInfo sandbox) => UpdateAsync(sandbox, lease => lease with { EndAtMs = Lease.Never });

    public Task RemoveAsync(SandboxId id) => sandboxes.RemoveAsync(id, CancellationToken.None);

    private async Task UpdateAsync(SandboxInfo sandbox, Func<Lease, Lease> change)
    {
        var known = await LeaseOfAsync(sandbox);
        _ = await leases.ChangeAsync(known.Id, change, EventTypes.Updated) ?? throw NotFound(known.Id);
    }

    private async Task<ForkResult> ForkAsync(ForkSpec spec, Func<SandboxId, Lease> lease, Func<ForkSpec, Task<ForkResult>> fork)
    {
        var ids = Enumerable.Range(0, Math.Clamp(spec.Count, 0, ForkSpec.MaxCount)).Select(_ => SandboxId.New()).ToList(); // a count that cannot be is the engine's to refuse
        if (ids.Count > 0)
            await leases.AddAsync(ids.Select(lease).ToList());
        return await fork(spec with { Ids = ids });
    }

    // Unless somebody else resumes it too, or has changed it since: his end is kept then.
    private async Task PutBackAsync(Lease before, Lease agreed, string? type)
    {
        try
        {
            await leases.ChangeAsync(before.Id, lease => lease.State == LeaseState.Paused && lease.EndAtMs == agreed.EndAtMs && leases.Resumers(lease.Id) == 1
                ? lease with { EndAtMs = before.EndAtMs, AutoPause = before.AutoPause }
                : lease, type);
        }
        catch (SandboxException)
        {
            // the database is away: it is paused with another end, and the refusal that led here says more
        }
    }

    private async Task<Lease> LeaseOfAsync(SandboxInfo sandbox)
    {
        var id = sandbox.Id.ToString();
        if (leases.Find(id) is null)
            await keeper.SettleAsync(id); // it was made before there were leases
        return leases.Find(id) ?? throw NotFound(id);
    }

    private static SandboxException NotFound(string id) => SandboxException.NotFound("sandbox", id, "`mitos ls` lists the sandboxes.");

    private long End(TimeSpan life) => Now() + (long)life.TotalMilliseconds;

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
