using System.Runtime.InteropServices;
using System.Text;
using Mitos.Guest.Files;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Watches;

/// <summary>The current host's watches, by inotify(7). They end with their connection; the host makes them anew.</summary>
internal sealed unsafe class WatchTable
{
    private const uint Modify = 0x2, Attribute = 0x4, MovedFrom = 0x40, MovedTo = 0x80, Create = 0x100, Delete = 0x200, DeleteSelf = 0x400,
        Overflow = 0x4000, Ignored = 0x8000, IsDirectory = 0x40000000;

    /// <summary>How long the second half of a move may take: the kernel wakes us between the two.</summary>
    private const int ArrivalMs = 50;
    private readonly EventLoop _loop;
    private readonly Session _session;
    private readonly FileWorker _worker;
    private readonly FileEventBatch _batch;
    private readonly byte[] _buffer = new byte[8 << 10];
    private readonly Dictionary<uint, FileWatch> _watches = [];
    private WatchedDirectories _directories = new(-1);
    private int _inotify = -1;
    private bool _paused;
    private readonly List<(FileWatch Watch, string Path, uint Cookie, bool Directory)> _leaving = [];

    public WatchTable(EventLoop loop, Session session, FileWorker worker)
    {
        (_loop, _session, _worker, _batch) = (loop, session, worker, new FileEventBatch(session));
        session.Broken += () =>
        {
            foreach (var id in _watches.Keys)
                Remove(id);
        };
        session.Drained += Resume;
    }

    /// <summary>Begins a watch on the file worker's thread, with the user's rights.</summary>
    public void Add(FileWatch watch, Action<AgentError?> done)
    {
        if (_inotify < 0)
        {
            _inotify = Libc.InotifyInit1(0x800 | 0x80000);
            if (_inotify < 0)
                throw AgentError.FromLastError("inotify");
            _directories = new WatchedDirectories(_inotify);
            _loop.Add(_inotify, EventLoop.In, _ => Read());
        }
        Remove(watch.Id);
        _watches[watch.Id] = watch;
        Cover(watch, watch.Path, _ => { }, error =>
        {
            if (error is not null)
                Remove(watch.Id);
            else if (!_watches.ContainsValue(watch))
                _directories.Remove(watch); // ended meanwhile
            done(error);
        });
    }

    public void Remove(uint id)
    {
        if (_watches.Remove(id, out var watch))
            _directories.Remove(watch);
    }

    // Watches a directory and, for a recursive watch, those below it; tells what it finds in them.
    private void Cover(FileWatch watch, string path, Action<string> found, Action<AgentError?> done) => _worker.Run(() =>
    {
        AgentError? error = null;
        try
        {
            watch.User.Become();
            Cover(watch, path, found);
        }
        catch (AgentError e)
        {
            error = e;
        }
        catch (Exception e)
        {
            error = new AgentError(AgentErrorCode.Internal, e.Message);
        }
        _loop.Post(() => done(error));
    });

    private void Cover(FileWatch watch, string path, Action<string> found)
    {
        _directories.Add(watch, path);
        if (!watch.Recursive || !FileStat.TryRead(path, follow: false, out var stat) || stat.Kind != FileKind.Directory)
            return;
        foreach (var entry in Directory.EnumerateFileSystemEntries(path))
        {
            found(entry);
            if (!FileStat.TryRead(entry, follow: false, out stat) || stat.Kind != FileKind.Directory)
                continue;
            try
            {
                Cover(watch, entry, found);
            }
            catch (Exception e) when (e is AgentError { Code: not AgentErrorCode.Exhausted } or UnauthorizedAccessException or DirectoryNotFoundException)
            {
                // not the user's to see, or gone
            }
        }
    }

    private void Read()
    {
        if (_session.IsCongested)
        {
            _paused = true; // the kernel keeps the events, and tells when they were too many
            _loop.Remove(_inotify);
            return;
        }
        nint got;
        fixed (byte* data = _buffer)
            got = Libc.Read(_inotify, data, (nuint)_buffer.Length);
        for (var rest = _buffer.AsSpan(0, (int)Math.Max(0, got)); rest.Length >= 16;)
        {
            var fields = MemoryMarshal.Cast<byte, uint>(rest[..16]); // wd, mask, cookie, length of the name
            var name = Encoding.UTF8.GetString(rest.Slice(16, (int)fields[3])).TrimEnd('\0');
            OnEvent((int)fields[0], fields[1], fields[2], name);
            rest = rest[(16 + (int)fields[3])..];
        }
        _batch.Flush();
        if (_leaving.Count > 0)
            _loop.After(ArrivalMs, Settle);
    }

    private void Settle()
    {
        Leave();
        _batch.Flush();
    }

    private void OnEvent(int number, uint mask, uint cookie, string name)
    {
        if ((mask & Overflow) != 0)
        {
            foreach (var watch in _watches.Values)
                _batch.Add(watch, FileEventKind.Overflow, watch.Path);
        }
        foreach (var (watch, directory) in _directories.Of(number))
            OnEvent(watch, name.Length > 0 ? $"{directory.TrimEnd('/')}/{name}" : directory, mask, cookie, isSelf: name.Length == 0);
        if ((mask & Ignored) != 0)
            _directories.Forget(number);
    }

    private void OnEvent(FileWatch watch, string path, uint mask, uint cookie, bool isSelf)
    {
        var isDirectory = (mask & IsDirectory) != 0;
        if ((mask & MovedTo) != 0 && _leaving.FindIndex(left => left.Cookie == cookie && left.Watch == watch) is var index and >= 0)
        {
            var left = _leaving[index];
            _leaving.RemoveAt(index);
            if (isDirectory)
                _directories.Move(watch, left.Path, path);
            _batch.Add(watch, FileEventKind.Moved, path, left.Path);
            return;
        }
        Leave(except: cookie);
        if ((mask & MovedFrom) != 0)
            _leaving.Add((watch, path, cookie, isDirectory));
        else if ((mask & (Create | MovedTo)) != 0)
            OnCreated(watch, path, isDirectory);
        else if ((mask & Delete) != 0 || ((mask & DeleteSelf) != 0 && path == watch.Path))
            _batch.Add(watch, FileEventKind.Removed, path);
        else if ((mask & Modify) != 0)
            _batch.Add(watch, FileEventKind.Modified, path);
        else if ((mask & Attribute) != 0 && (!isSelf || path == watch.Path)) // a directory below is told by its parent already
            _batch.Add(watch, FileEventKind.Attributes, path);
    }

    private void OnCreated(FileWatch watch, string path, bool isDirectory)
    {
        _batch.Add(watch, FileEventKind.Created, path);
        if (!watch.Recursive || !isDirectory)
            return;
        // What was made in it before it was watched is told too; some of it perhaps twice.
        Cover(watch, path, entry => _loop.Post(() => Tell(watch, entry)), error =>
        {
            if (error is { Code: AgentErrorCode.Exhausted })
                _batch.Add(watch, FileEventKind.Overflow, watch.Path);
            if (!_watches.ContainsValue(watch))
                _directories.Remove(watch);
            _batch.Flush();
        });
    }

    private void Tell(FileWatch watch, string path)
    {
        if (_watches.ContainsValue(watch))
            _batch.Add(watch, FileEventKind.Created, path);
    }

    // What moved away and did not arrive elsewhere in the watch is gone.
    private void Leave(uint except = 0)
    {
        foreach (var left in _leaving.FindAll(left => left.Cookie != except))
        {
            _leaving.Remove(left);
            if (left.Directory)
                _directories.Remove(left.Watch, left.Path);
            if (_watches.ContainsValue(left.Watch))
                _batch.Add(left.Watch, FileEventKind.Removed, left.Path);
        }
    }

    private void Resume()
    {
        if (!_paused)
            return;
        _paused = false;
        _loop.Add(_inotify, EventLoop.In, _ => Read());
    }
}
