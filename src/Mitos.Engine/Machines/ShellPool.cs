using System.Collections.Concurrent;
using Mitos.Engine.Generations;

namespace Mitos.Engine.Machines;

/// <summary>
/// Shells started ahead of need: every descendant of a template maps the same generation, so a fork of any of them can take
/// these. Refilled in the background after use; a generation that nobody used for a while loses its shells.
/// </summary>
public sealed class ShellPool(MachineHost host, int warm, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMinutes(10);
    private readonly ConcurrentDictionary<string, Pool> _pools = new();
    private readonly SemaphoreSlim _starts = new(Math.Max(1, Environment.ProcessorCount));
    private volatile bool _stopped;

    /// <summary>Shells that wait now, of all generations.</summary>
    public int Ready => _pools.Values.Sum(pool => pool.Shells.Count);

    /// <summary>A shell that waits already, or null.</summary>
    public Machine? TryTake(Generation generation)
    {
        if (!_pools.TryGetValue(generation.Id, out var pool))
            return null;
        while (pool.Shells.TryDequeue(out var shell))
        {
            if (!shell.Vmm.Process.HasExited)
                return shell;
            _ = shell.DisposeAsync().AsTask();
        }
        return null;
    }

    /// <summary>Starts a shell now; at most as many at a time as there are cores.</summary>
    public async Task<Machine> StartAsync(Generation generation, CancellationToken cancellationToken)
    {
        await _starts.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => host.StartShell(generation), CancellationToken.None);
        }
        finally
        {
            _starts.Release();
        }
    }

    /// <summary>Brings the pool of a persistent generation back to its size, in the background.</summary>
    public void Refill(Generation generation)
    {
        if (_stopped || !generation.Record.Persistent || warm == 0)
            return;
        var pool = _pools.GetOrAdd(generation.Id, _ => new Pool());
        pool.LastUsed = time.GetUtcNow();
        if (Interlocked.Exchange(ref pool.Filling, 1) == 1)
            return;
        var held = generation.Acquire();
        _ = Task.Run(() => FillAsync(pool, held));
    }

    /// <summary>Ends the shells of one generation, for example before its template is removed.</summary>
    public async Task DropAsync(string generationId)
    {
        if (_pools.TryRemove(generationId, out var pool))
            await pool.EmptyAsync();
    }

    /// <summary>Ends the shells of generations that nobody used for ten minutes.</summary>
    public async Task DropIdleAsync()
    {
        foreach (var (id, pool) in _pools)
        {
            if (time.GetUtcNow() - pool.LastUsed > IdleLimit)
                await DropAsync(id);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _stopped = true;
        foreach (var id in _pools.Keys)
            await DropAsync(id);
    }

    private async Task FillAsync(Pool pool, Generation generation)
    {
        try
        {
            while (!_stopped && !pool.Dropped && pool.Shells.Count < warm)
            {
                var shell = await StartAsync(generation, CancellationToken.None);
                pool.Shells.Enqueue(shell);
            }
            if (_stopped || pool.Dropped)
                await pool.EmptyAsync();
        }
        catch (Exception)
        {
            // A shell that does not start now is started, and its error reported, by whoever needs it.
        }
        finally
        {
            Volatile.Write(ref pool.Filling, 0);
            generation.Dispose();
        }
    }

    private sealed class Pool
    {
        public readonly ConcurrentQueue<Machine> Shells = new();
        public DateTimeOffset LastUsed;
        public int Filling;
        public volatile bool Dropped;

        public async Task EmptyAsync()
        {
            Dropped = true;
            while (Shells.TryDequeue(out var shell))
                await shell.DisposeAsync();
        }
    }
}
