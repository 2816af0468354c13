using System.Security.Cryptography;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;

namespace Mitos.Server.Lifecycles;

/// <summary>What our own API does with sandboxes whose life may have an end. A lease is written before its sandbox is made: no crash leaves one that lives too long.</summary>
internal sealed class LeasedSandboxes(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, TimeProvider time)
{
    public async Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, LeaseTerms terms, CancellationToken cancellationToken)
    {
        if (terms.Alone() is not { } agreed)
            return await sandboxes.CreateAsync(spec, cancellationToken);
        var id = SandboxId.New();
        await leases.AddAsync([New(id, spec.Snapshot ?? spec.Template, agreed)]);
        try
        {
            var info = await sandboxes.CreateAsync(spec with { Id = id }, cancellationToken);
            // its time begins when it can be used
            await leases.ChangeAsync(id.ToString(), lease => lease with { StartedAtMs = Now(), EndAtMs = End(agreed.Life) });
            return info;
        }
        catch
        {
            await leases.RemoveAsync([id.ToString()]);
            throw;
        }
    }

    /// <summary>Forks a sandbox; the children live as long as it, unless the terms say otherwise.</summary>
    public async Task<ForkResult> ForkAsync(SandboxInfo source, ForkSpec spec, LeaseTerms terms)
    {
        var known = leases.Find(source.Id.ToString());
        var agreed = known is { HasEnd: true } ? null : terms.Alone();
        if (known is null && agreed is null)
            return await sandboxes.ForkAsync(source.Id, spec, CancellationToken.None);
        var lease = known ?? New(source.Id, source.Template, agreed!.Value);
        return await ForkAsync(spec, child => lease with
        {
            Id = child.ToString(),
            StartedAtMs = Now(),
            EndAtMs = terms.Life is { } life ? End(life) : lease.EndAtMs,
            AutoPause = terms.Pause ?? lease.AutoPause,
            TrafficToken = lease.TrafficToken is null ? null : RandomNumberGenerator.GetHexString(32, lowercase: true),
        }, with => sandboxes.ForkAsync(source.Id, with, CancellationToken.None));
    }

    /// <summary>Makes sandboxes of a snapshot.</summary>
    public async Task<ForkResult> ForkAsync(SnapshotInfo snapshot, ForkSpec spec, LeaseTerms terms) => terms.Alone() is { } agreed
        ? await ForkAsync(spec, child => New(child, snapshot.Id, agreed), with => sandboxes.ForkSnapshotAsync(snapshot.Id, with, CancellationToken.None))
        : await sandboxes.ForkSnapshotAsync(snapshot.Id, spec, CancellationToken.None);

    /// <summary>Gives a paused sandbox a machine again. An end that has passed is dropped, where no other is asked for.</summary>
    public async Task<SandboxInfo> ResumeAsync(SandboxInfo sandbox, LeaseTerms terms, CancellationToken cancellationToken)
    {
        // First the end: one that is resumed must not be over at once.
        if (terms.Life is not null)
            await SetAsync(sandbox, terms);
        else if (leases.Find(sandbox.Id.ToString()) is not { HasEnd: true })
            terms.Alone();
        else
            await leases.ChangeAsync(sandbox.Id.ToString(), lease => lease with { EndAtMs = lease.EndAtMs <= Now() ? Lease.Never : lease.EndAtMs, AutoPause = terms.Pause ?? lease.AutoPause });
        return await snapshots.ResumeAsync(sandbox.Id, cancellationToken);
    }

    /// <summary>Sets the end anew, later or sooner. The terms have one.</summary>
    public async Task SetAsync(SandboxInfo sandbox, LeaseTerms terms)
    {
        var id = sandbox.Id.ToString();
        if (leases.Find(id) is null)
            await leases.AddAsync([New(sandbox.Id, sandbox.Template, terms.Alone()!.Value) with { StartedAtMs = sandbox.CreatedAt.ToUnixTimeMilliseconds() }]);
        else
            await leases.ChangeAsync(id, lease => lease with { EndAtMs = End(terms.Life!.Value), AutoPause = terms.Pause ?? lease.AutoPause });
    }

    /// <summary>Lets it live until it is removed.</summary>
    public Task ClearAsync(SandboxInfo sandbox) => leases.ChangeAsync(sandbox.Id.ToString(), lease => lease with { EndAtMs = Lease.Never });

    /// <summary>Removes a sandbox with its lease.</summary>
    public async Task RemoveAsync(SandboxId id)
    {
        await sandboxes.RemoveAsync(id, CancellationToken.None);
        if (leases.Find(id.ToString()) is not null)
            await leases.RemoveAsync([id.ToString()]);
    }

    private async Task<ForkResult> ForkAsync(ForkSpec spec, Func<SandboxId, Lease> lease, Func<ForkSpec, Task<ForkResult>> fork)
    {
        var ids = Enumerable.Range(0, Math.Clamp(spec.Count, 0, ForkSpec.MaxCount)).Select(_ => SandboxId.New()).ToList(); // a count that cannot be is the engine's to refuse
        await leases.AddAsync(ids.Select(lease).ToList());
        var made = new HashSet<string>();
        try
        {
            var result = await fork(spec with { Ids = ids });
            made.UnionWith(result.Children.Where(child => child.Sandbox is not null).Select(child => ids[child.Index].ToString()));
            return result;
        }
        finally
        {
            if (ids.Count > made.Count)
                await leases.RemoveAsync(ids.Select(id => id.ToString()).Where(id => !made.Contains(id)).ToList());
        }
    }

    private Lease New(SandboxId id, string template, (TimeSpan Life, bool Pause) agreed) =>
        new() { Id = id.ToString(), Template = template, StartedAtMs = Now(), EndAtMs = End(agreed.Life), AutoPause = agreed.Pause };

    private long End(TimeSpan life) => Now() + (long)life.TotalMilliseconds;

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
