namespace Mitos.EndToEnd.Crashes;

/// <summary>When a daemon is killed: after a time, or at the change of a file in its state directory, for that is where states begin and end.</summary>
internal sealed class Instant : IDisposable
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FileSystemWatcher? _watcher;
    private readonly string _what;
    private readonly int _delayMs;
    private int _left;

    public Instant(Random random, string directory)
    {
        if (random.Next(2) == 0)
        {
            _what = $"after {_delayMs = random.Next(500)} ms";
            return;
        }
        _what = $"at change {_left = 1 + random.Next(40)} of a file";
        _watcher = new FileSystemWatcher(directory) { IncludeSubdirectories = true, InternalBufferSize = 64 << 10 };
        _watcher.Created += Count;
        _watcher.Changed += Count;
        _watcher.Renamed += Count;
        _watcher.Deleted += Count;
    }

    /// <summary>Begins to count, and waits.</summary>
    public async Task WaitAsync()
    {
        if (_watcher is null)
        {
            await Task.Delay(_delayMs);
            return;
        }
        _watcher.EnableRaisingEvents = true;
        await _reached.Task;
    }

    public void Dispose() => _watcher?.Dispose();

    public override string ToString() => _what;

    private void Count(object sender, FileSystemEventArgs e)
    {
        if (Interlocked.Decrement(ref _left) == 0)
            _reached.TrySetResult();
    }
}
