using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Watches;

/// <summary>
/// Which directory each of the kernel's watch numbers stands for, and who watches it under which path. Used by the loop's and
/// the file worker's threads under its own lock: a number is known before its first event is looked up.
/// </summary>
internal sealed class WatchedDirectories(int inotify)
{
    // IN_MODIFY ATTRIB MOVED_FROM MOVED_TO CREATE DELETE DELETE_SELF, IN_EXCL_UNLINK
    private const uint Mask = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x04000000;
    private const int MaxDirectories = 8192;
    private readonly Lock _gate = new();
    private readonly Dictionary<int, List<(FileWatch Watch, string Path)>> _watchers = [];

    /// <exception cref="AgentError">NotFound, PermissionDenied, Exhausted.</exception>
    public void Add(FileWatch watch, string path)
    {
        lock (_gate)
        {
            if (_watchers.Count >= MaxDirectories)
                throw new AgentError(AgentErrorCode.Exhausted, $"{MaxDirectories} directories are watched; watch a deeper one, or not recursively");
            var number = Libc.InotifyAddWatch(inotify, path, Mask);
            if (number < 0)
                throw AgentError.FromLastError($"watch '{path}'");
            if (!_watchers.TryGetValue(number, out var watchers))
                _watchers[number] = watchers = [];
            watchers.RemoveAll(watcher => watcher.Watch == watch);
            watchers.Add((watch, path));
        }
    }

    public (FileWatch Watch, string Path)[] Of(int number)
    {
        lock (_gate)
            return _watchers.TryGetValue(number, out var watchers) ? [.. watchers] : [];
    }

    /// <summary>Everyone that watches something.</summary>
    public FileWatch[] All()
    {
        lock (_gate)
            return [.. _watchers.Values.SelectMany(watchers => watchers).Select(watcher => watcher.Watch).Distinct()];
    }

    /// <summary>The kernel ended a watch: its directory is gone.</summary>
    public void Forget(int number)
    {
        lock (_gate)
            _watchers.Remove(number);
    }

    /// <summary>Ends a watch, or what it has below a path.</summary>
    public void Remove(FileWatch watch, string? below = null)
    {
        lock (_gate)
        {
            foreach (var (number, watchers) in _watchers)
            {
                watchers.RemoveAll(watcher => watcher.Watch == watch && (below is null || IsWithin(watcher.Path, below)));
                if (watchers.Count > 0)
                    continue;
                _watchers.Remove(number);
                _ = Libc.InotifyRmWatch(inotify, number);
            }
        }
    }

    /// <summary>A directory has a new path, and so has all below it.</summary>
    public void Move(FileWatch watch, string from, string to)
    {
        lock (_gate)
        {
            foreach (var watchers in _watchers.Values)
            {
                for (var i = 0; i < watchers.Count; i++)
                {
                    if (watchers[i].Watch == watch && IsWithin(watchers[i].Path, from))
                        watchers[i] = (watch, to + watchers[i].Path[from.Length..]);
                }
            }
        }
    }

    private static bool IsWithin(string path, string directory) =>
        path.StartsWith(directory, StringComparison.Ordinal) && (path.Length == directory.Length || path[directory.Length] == '/');
}
