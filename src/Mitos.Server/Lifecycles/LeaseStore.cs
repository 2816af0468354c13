using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Mitos.Server.Storage;

namespace Mitos.Server.Lifecycles;

/// <summary>All leases. Reads are of memory; a change is in the database before it is seen.</summary>
internal sealed class LeaseStore : IDisposable
{
    private readonly DbContextOptions<MitosDatabase> _options;
    private readonly ConcurrentDictionary<string, Lease> _leases = new();
    private readonly SemaphoreSlim _writing = new(1);

    private LeaseStore(DbContextOptions<MitosDatabase> options) => _options = options;

    public IReadOnlyCollection<Lease> All => [.. _leases.Values];

    /// <summary>Opens the database, brings it to the present form, and reads it.</summary>
    public static LeaseStore Open(string stateDirectory)
    {
        var store = new LeaseStore(MitosDatabase.At(Path.Combine(stateDirectory, "mitos.db")));
        using var database = new MitosDatabase(store._options);
        database.Database.Migrate();
        database.Database.ExecuteSqlRaw("PRAGMA journal_mode=WAL");
        foreach (var lease in database.Leases.AsNoTracking())
            store._leases[lease.Id] = lease;
        return store;
    }

    public Lease? Find(string id) => _leases.GetValueOrDefault(id);

    public Task AddAsync(IReadOnlyCollection<Lease> leases) => WriteAsync(database => database.Leases.AddRange(leases), () =>
    {
        foreach (var lease in leases)
            _leases[lease.Id] = lease;
    });

    /// <summary>Changes a lease, if it is there.</summary>
    /// <returns>The lease as it is now; null: there is none.</returns>
    public async Task<Lease?> ChangeAsync(string id, Func<Lease, Lease> change)
    {
        Lease? changed = null;
        await WriteAsync(database =>
        {
            if (Find(id) is { } lease && change(lease) is var next && next != lease)
                database.Leases.Update(changed = next);
        }, () =>
        {
            if (changed is not null)
                _leases[id] = changed;
        });
        return changed ?? Find(id);
    }

    public Task RemoveAsync(IReadOnlyCollection<string> ids) => WriteAsync(database =>
    {
        foreach (var id in ids)
        {
            if (Find(id) is { } lease)
                database.Leases.Remove(lease);
        }
    }, () =>
    {
        foreach (var id in ids)
            _leases.TryRemove(id, out _);
    });

    public void Dispose() => _writing.Dispose();

    private async Task WriteAsync(Action<MitosDatabase> write, Action after)
    {
        await _writing.WaitAsync();
        try
        {
            await using var database = new MitosDatabase(_options);
            write(database);
            await database.SaveChangesAsync();
            after();
        }
        finally
        {
            _writing.Release();
        }
    }
}
