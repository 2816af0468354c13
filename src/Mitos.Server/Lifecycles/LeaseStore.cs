using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Accounts;
using Mitos.Server.Storage;

namespace Mitos.Server.Lifecycles;

/// <summary>
/// All leases. Reads are of memory; a change, with its events, is in the database before it is seen. What a team may have is kept to here:
/// a lease takes its place before its sandbox is made.
/// </summary>
internal sealed class LeaseStore : IDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    private readonly Database _database;
    private readonly TeamStore _teams;
    private readonly CreationRate _rate;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, Lease> _leases = new();
    private readonly ConcurrentDictionary<string, string> _making = new(); // ids whose maker settles them itself
    private readonly ConcurrentDictionary<Place, Lease> _resuming = new(); // of sandboxes that are about to take a place
    private readonly ConcurrentDictionary<string, Ending> _endings = new();
    private readonly ConcurrentDictionary<Place, string> _moving = new(); // ids of leases that somebody is about to change
    private readonly SemaphoreSlim _writing = new(1);
    private bool _doubtful; // whether a write failed whose outcome is not known

    /// <summary>Reads the leases.</summary>
    public LeaseStore(Database database, TeamStore teams, TimeProvider? time = null)
    {
        (_database, _teams, _time) = (database, teams, time ?? TimeProvider.System);
        _rate = new CreationRate(_time);
        Take(database.Use(context => context.Leases.AsNoTracking().ToList()));
    }

    public IReadOnlyCollection<Lease> All => [.. _leases.Values];

    public Lease? Find(string id) => _leases.GetValueOrDefault(id);

    /// <summary>The team that owns a sandbox; the default one when it has no lease yet.</summary>
    public string TeamOf(string id) => Find(id)?.TeamId ?? Team.DefaultId;

    /// <summary>Takes a place for each of some sandboxes of one team. Whoever makes them calls <see cref="SettleAsync"/> with <c>mine</c> at the end.</summary>
    /// <exception cref="TeamLimitException">The team has, or makes, too many.</exception>
    public async Task AddAsync(IReadOnlyCollection<Lease> leases)
    {
        foreach (var lease in leases)
            _making[lease.Id] = lease.TeamId;
        try
        {
            await WriteAsync(context =>
            {
                var team = _teams.Get(leases.First().TeamId);
                CheckPlaces(team, leases.Count);
                _rate.Count(team, leases.Count);
                context.Leases.AddRange(leases);
                return () =>
                {
                    foreach (var lease in leases)
                        _leases[lease.Id] = lease;
                };
            });
        }
        catch
        {
            Release(leases.Select(lease => lease.Id));
            throw;
        }
    }

    /// <summary>Changes a lease, if it is there. Waits while its sandbox is being ended; an end that has not begun does not begin before it is changed.</summary>
    /// <param name="id">The sandbox's.</param>
    /// <param name="change">Makes the new lease.</param>
    /// <param name="type">The event that this is, if it changes anything; null: none.</param>
    /// <returns>The lease as it is now; null: there is none.</returns>
    public async Task<Lease?> ChangeAsync(string id, Func<Lease, Lease> change, string? type = null)
    {
        using var moving = Note(_moving, id);
        Ending? ending = null;
        do
        {
            if (ending is not null)
                await ending.Over;
            await WriteAsync(context =>
            {
                ending = _endings.GetValueOrDefault(id);
                if (ending is not null || Find(id) is not { } lease || change(lease) is not { } next || next == lease)
                    return null;
                context.Leases.Update(next);
                if (type is not null)
                    context.Events.Add(LifecycleEvent.Of(type, next, null, _time.GetUtcNow()));
                return () => _leases[id] = next;
            });
        }
        while (ending is not null);
        return Find(id);
    }

    /// <summary>Begins to end a sandbox whose time is over. Changes of its lease wait until this is disposed: who was told that he moved the end does not see the old one kept.</summary>
    /// <returns>Null: its time is not over any more, or somebody is about to move it, or it is gone.</returns>
    public async Task<Ending?> BeginEndAsync(string id)
    {
        await _writing.WaitAsync();
        try
        {
            if (Find(id) is not { } lease || lease.EndAt > _time.GetUtcNow() || Resumers(id) > 0 || _moving.Values.Contains(id))
                return null;
            var ending = new Ending(lease, () => _endings.TryRemove(id, out _));
            return _endings.TryAdd(id, ending) ? ending : null;
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Lets leases follow their sandboxes, and writes the events of that. Saying it again does nothing.</summary>
    /// <param name="ids">Of sandboxes, also of those that have no lease yet.</param>
    /// <param name="observe">The sandbox as it is; null: there is none.</param>
    /// <param name="mine">Whether the caller has just made them, or failed to. Otherwise those that somebody makes are left to him.</param>
    public async Task SettleAsync(IReadOnlyCollection<string> ids, Func<string, SandboxInfo?> observe, bool mine)
    {
        try
        {
            await WriteAsync(context => Settle(context, ids.Where(id => mine || !_making.ContainsKey(id)), observe));
        }
        finally
        {
            if (mine)
                Release(ids);
        }
    }

    /// <summary>Takes a place for a paused sandbox that is about to be resumed, until it is disposed. One that runs keeps its own, also if it is paused meanwhile.</summary>
    /// <exception cref="TeamLimitException">The team runs as many as it may.</exception>
    public async Task<IDisposable> TakePlaceAsync(Lease lease)
    {
        using var moving = Note(_moving, lease.Id);
        await _writing.WaitAsync();
        try
        {
            if (Resumers(lease.Id) == 0 && Find(lease.Id) is { TakesPlace: false })
                CheckPlaces(_teams.Get(lease.TeamId), 1);
            return Note(_resuming, lease);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>How many hold a place for a sandbox that they resume.</summary>
    public int Resumers(string id) => _resuming.Values.Count(lease => lease.Id == id);

    public void Dispose() => _writing.Dispose();

    private Action? Settle(MitosDatabase context, IEnumerable<string> ids, Func<string, SandboxInfo?> observe)
    {
        var changes = new List<(string Id, Lease? Next)>();
        var begun = new List<(Lease, SandboxInfo)>();
        var events = new List<LifecycleEvent>();
        foreach (var id in ids)
        {
            var info = observe(id); // under our lock: what was seen before may be over
            var known = Find(id);
            if ((known ?? (info is null ? null : Found(info))) is not { } lease)
                continue;
            var (next, happened) = Transition.Of(lease, info, _time.GetUtcNow());
            if (next == lease)
                continue;
            if (next is null)
                context.Leases.Remove(lease);
            else if (known is null)
                context.Leases.Add(next);
            else
                context.Leases.Update(next);
            changes.Add((id, next));
            events.AddRange(happened);
            if (lease.State == LeaseState.Pending && next is not null)
                begun.Add((next, info!));
        }
        if (changes.Count == 0)
            return null;
        context.Events.AddRange(Transition.Forks(begun, Find).Concat(events));
        return () =>
        {
            foreach (var (id, next) in changes)
            {
                if (next is null)
                    _leases.TryRemove(id, out _);
                else
                    _leases[id] = next;
            }
        };
    }

    private void Release(IEnumerable<string> ids)
    {
        foreach (var id in ids)
            _making.TryRemove(id, out _);
    }

    private void CheckPlaces(Team team, int count)
    {
        var taken = _leases.Count(pair => pair.Value.TakesPlace && pair.Value.TeamId == team.Id)
            + _resuming.Values.Where(lease => lease.TeamId == team.Id).Select(lease => lease.Id).Distinct().Count(id => Find(id) is { TakesPlace: false });
        if (taken + count > team.ConcurrentSandboxes)
        {
            throw new TeamLimitException($"Team '{team.Name}' has reached the maximum number of concurrent sandboxes ({team.ConcurrentSandboxes}): {taken} run, and {count} more are asked for.",
                "Remove or pause sandboxes, or have the team's limit raised.", UntilOneEnds(team));
        }
    }

    // The next end that is known; one may be removed before that.
    private TimeSpan UntilOneEnds(Team team)
    {
        var ends = _leases.Values.Where(lease => lease.TakesPlace && lease.TeamId == team.Id).Select(lease => lease.EndAtMs).DefaultIfEmpty(Lease.Never).Min();
        return TimeSpan.FromMilliseconds(Math.Clamp(ends - _time.GetUtcNow().ToUnixTimeMilliseconds(), 1000, (long)LongestWait.TotalMilliseconds));
    }

    // One that the engine has and nobody wrote down, made before there were leases: its source's team owns it.
    private Lease Found(SandboxInfo info) => Find(info.ForkedFrom?.ToString() ?? "")?.Child(info.Id, info.CreatedAt.ToUnixTimeMilliseconds()) ?? new Lease
    {
        Id = info.Id.ToString(),
        TeamId = Team.DefaultId,
        Template = info.Template,
        StartedAtMs = info.CreatedAt.ToUnixTimeMilliseconds(),
        EndAtMs = Lease.Never,
    };

    private void Take(List<Lease> leases)
    {
        _leases.Clear();
        foreach (var lease in leases)
            _leases[lease.Id] = lease;
    }

    /// <param name="write">Says what is to be written, and returns what is to be done when it is; null: nothing is to be written.</param>
    private async Task WriteAsync(Func<MitosDatabase, Action?> write)
    {
        await _writing.WaitAsync();
        try
        {
            await _database.UseAsync(async context =>
            {
                if (_doubtful)
                    Take(await context.Leases.AsNoTracking().ToListAsync());
                _doubtful = false;
                if (write(context) is not { } after)
                    return 0;
                _doubtful = true;
                var written = await context.SaveChangesAsync();
                _doubtful = false;
                after();
                return written;
            });
        }
        finally
        {
            _writing.Release();
        }
    }

    private static Place Note<T>(ConcurrentDictionary<Place, T> noted, T value)
    {
        var place = new Place(left => noted.TryRemove(left, out _));
        noted[place] = value;
        return place;
    }

    private sealed class Place(Action<Place> leave) : IDisposable
    {
        public void Dispose() => leave(this);
    }
}
