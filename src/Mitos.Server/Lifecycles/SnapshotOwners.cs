using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Engine.Snapshots;
using Mitos.Server.Accounts;
using Mitos.Server.Storage;

namespace Mitos.Server.Lifecycles;

/// <summary>To whom snapshots belong, and what was agreed about their sandboxes. Reads are of memory.</summary>
internal sealed class SnapshotOwners
{
    private readonly Database _database;
    private readonly LeaseStore _leases;
    private readonly ConcurrentDictionary<string, SnapshotOwner> _owners;
    private readonly SemaphoreSlim _writing = new(1);

    public SnapshotOwners(Database database, LeaseStore leases)
    {
        (_database, _leases) = (database, leases);
        _owners = new(database.Use(context => context.Snapshots.AsNoTracking().ToDictionary(owner => owner.Id)));
    }

    /// <summary>The team that owns a snapshot: that of the sandbox that it was taken of.</summary>
    public string TeamOf(SnapshotInfo snapshot) => _owners.GetValueOrDefault(snapshot.Id)?.TeamId ?? _leases.TeamOf(snapshot.Source.ToString());

    /// <summary>A snapshot that the caller sees, by its id or its name: names are unique in a team, and who sees all teams means his own one's first. Null: there is none.</summary>
    /// <exception cref="SandboxException">Conflict: several teams have one of that name, and the caller's own has none.</exception>
    public SnapshotInfo? Find(ISnapshots all, string idOrName)
    {
        if (all.TryFind(idOrName) is not { } found)
            return null;
        if (found.Id == idOrName && Caller.Sees(TeamOf(found)))
            return found;
        var named = all.List().Where(snapshot => snapshot.Name == idOrName && Caller.Sees(TeamOf(snapshot))).ToList();
        return named.FirstOrDefault(snapshot => TeamOf(snapshot) == Caller.Team) ?? (named.Count <= 1 ? named.FirstOrDefault()
            : throw new SandboxException(ErrorCode.Conflict, $"{named.Count} snapshots are named '{idOrName}'.", "Give the id: " + string.Join(", ", named.Take(5).Select(snapshot => snapshot.Id))));
    }

    /// <summary>The lease of which that of a sandbox made of a snapshot is a child.</summary>
    public Lease SourceOf(SnapshotInfo snapshot) => (_owners.GetValueOrDefault(snapshot.Id) ?? New(snapshot)).ToSource();

    /// <summary>Writes down snapshots that are new, and forgets those that are gone. Saying it again does nothing.</summary>
    /// <param name="snapshots">All that there are.</param>
    public async Task SettleAsync(Func<IReadOnlyList<SnapshotInfo>> snapshots)
    {
        var present = snapshots();
        if (present.Count == _owners.Count && present.All(snapshot => _owners.ContainsKey(snapshot.Id)))
            return;
        await _writing.WaitAsync();
        try
        {
            present = snapshots();
            var added = present.Where(snapshot => !_owners.ContainsKey(snapshot.Id)).ToList();
            var gone = _owners.Values.ExceptBy(present.Select(snapshot => snapshot.Id), owner => owner.Id).ToList();
            var owners = added.Select(New).ToList();
            await _database.UseAsync(async context =>
            {
                context.Snapshots.AddRange(owners);
                context.Snapshots.RemoveRange(gone);
                context.Events.AddRange(added.Select(Happened));
                return await context.SaveChangesAsync();
            });
            foreach (var owner in owners)
                _owners[owner.Id] = owner;
            foreach (var owner in gone)
                _owners.TryRemove(owner.Id, out _);
        }
        finally
        {
            _writing.Release();
        }
    }

    private SnapshotOwner New(SnapshotInfo snapshot) => SnapshotOwner.Of(snapshot.Id, LeaseOf(snapshot));

    private LifecycleEvent Happened(SnapshotInfo snapshot) =>
        LifecycleEvent.Of(EventTypes.Snapshotted, LeaseOf(snapshot), null, snapshot.CreatedAt, new JsonObject { ["snapshot_id"] = snapshot.Id, ["name"] = snapshot.Name });

    private Lease LeaseOf(SnapshotInfo snapshot) =>
        _leases.Find(snapshot.Source.ToString()) ?? new Lease { Id = snapshot.Source.ToString(), TeamId = Team.DefaultId, Template = snapshot.Template, StartedAtMs = 0, EndAtMs = 0 };
}
