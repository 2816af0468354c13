using System.Collections.Concurrent;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Envd;

/// <summary>A watch whose events wait to be fetched; of too many the oldest go.</summary>
internal sealed class Watcher(SandboxId sandbox, FileWatch watch, string root, bool includeEntry) : IAsyncDisposable
{
    private const int MaxEvents = 10_000;
    private readonly ConcurrentQueue<FileEvent> _events = new();

    public SandboxId Sandbox => sandbox;

    /// <summary>What is watched, absolute.</summary>
    public string Root => root;

    /// <summary>Whether the events come with what is there.</summary>
    public bool IncludeEntry => includeEntry;

    /// <summary>Ends with the watch.</summary>
    public async Task CollectAsync()
    {
        await foreach (var next in watch)
        {
            _events.Enqueue(next);
            while (_events.Count > MaxEvents)
                _events.TryDequeue(out _);
        }
    }

    public IEnumerable<FileEvent> Take()
    {
        for (var left = _events.Count; left > 0 && _events.TryDequeue(out var next); left--)
            yield return next;
    }

    public ValueTask DisposeAsync() => watch.DisposeAsync();
}
