using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>What the host can do with files. Runs on the file worker's thread, as the user that the request names.</summary>
internal static unsafe class FileOperations
{
    private const int MaxRead = 48 << 10, MaxEntries = 10_000;
    private const int CloseOnExec = 0x80000;

    public static void Run(MessageType type, WireReader request, WireWriter reply)
    {
        var account = Account.Find(request.Text());
        var path = GuestPath.Resolve(request.Text(), account);
        FileIdentity.Become(account);
        switch (type)
        {
            case MessageType.Stat:
                FileStat.Read(path).Write(reply);
                break;
            case MessageType.ListDirectory:
                List(path, request.Int32(), reply);
                break;
            case MessageType.ReadFile:
                Read(path, request.Number(), request.Int32(), reply);
                break;
            case MessageType.WriteFile:
                Write(Draft(path, request.Text()), path, request.Number(), request.Rest());
                break;
            case MessageType.CommitFile:
                Commit(Draft(path, request.Text()), path, (uint)request.Int32());
                break;
            case MessageType.AbortFile:
                _ = Libc.Unlink(Draft(path, request.Text()));
                break;
            case MessageType.MakeDirectory:
                MakeDirectories(path, (uint)request.Int32());
                break;
            case MessageType.Move:
                var target = GuestPath.Resolve(request.Text(), account);
                Check(Libc.Rename(path, target), $"move '{path}' to '{target}'");
                break;
            case MessageType.Remove:
                Remove(path, request.Flag());
                break;
        }
    }

    private static string Draft(string path, string token)
    {
        if (token.Length is 0 or > 64 || token.Contains('/'))
            throw AgentError.Invalid("An upload's token must be 1 to 64 characters without '/'");
        return $"{path}.mitos-{token}";
    }

    private static void Read(string path, ulong offset, int length, WireWriter reply)
    {
        if (length is < 0 or > MaxRead)
            throw AgentError.Invalid($"A read of {length} bytes; at most {MaxRead} are possible");
        var fd = Check(Libc.Open(path, CloseOnExec | 0x800, 0), $"open '{path}'"); // non-blocking: a pipe must not hold us
        try
        {
            var stat = FileStat.Read(path, follow: true);
            if (stat.Kind == FileKind.Directory)
                throw AgentError.From(Errno.EISDIR, $"read '{path}'");
            var buffer = new byte[length];
            nint got;
            fixed (byte* data = buffer)
                got = Libc.Pread(fd, data, (nuint)length, (long)offset);
            if (got < 0)
                throw AgentError.FromLastError($"read '{path}'");
            reply.Number((ulong)stat.Size).Bytes(buffer.AsSpan(0, (int)got));
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static void Write(string draft, string path, ulong offset, ReadOnlySpan<byte> bytes)
    {
        if (Directory.Exists(path))
            throw AgentError.From(Errno.EISDIR, $"write '{path}'");
        if (offset == 0 && Path.GetDirectoryName(path) is { } parent)
            MakeDirectories(parent, 0x1ED /* 0755 */);
        var fd = Check(Libc.Open(draft, 1 | 0x40 | CloseOnExec | 0x20000, 0x180 /* 0600 */), $"write '{path}'");
        try
        {
            fixed (byte* data = bytes)
            {
                for (nuint done = 0; done < (nuint)bytes.Length;)
                {
                    var written = Libc.Pwrite(fd, data + done, (nuint)bytes.Length - done, (long)offset + (long)done);
                    if (written <= 0)
                    {
                        var error = AgentError.FromLastError($"write '{path}'");
                        _ = Libc.Unlink(draft);
                        throw error;
                    }
                    done += (nuint)written;
                }
            }
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static void Commit(string draft, string path, uint mode)
    {
        Check(Libc.Chmod(draft, mode != 0 ? mode & 0xFFF : 0x1A4 /* 0644 */), $"write '{path}'");
        if (Libc.Rename(draft, path) == 0)
            return;
        var error = AgentError.FromLastError($"write '{path}'");
        _ = Libc.Unlink(draft);
        throw error;
    }

    private static void MakeDirectories(string path, uint mode)
    {
        if (Directory.Exists(path))
            return;
        if (Path.GetDirectoryName(path) is { Length: > 0 } parent)
            MakeDirectories(parent, mode);
        if (Libc.Mkdir(path, mode != 0 ? mode : 0x1ED) != 0 && Libc.LastError != Errno.EEXIST)
            throw AgentError.FromLastError($"make the directory '{path}'");
        if (!Directory.Exists(path))
            throw AgentError.From(Errno.ENOTDIR, $"make the directory '{path}'");
    }

    private static void Remove(string path, bool recursive)
    {
        var stat = FileStat.Read(path);
        if (stat.Kind != FileKind.Directory)
        {
            Check(Libc.Unlink(path), $"remove '{path}'");
            return;
        }
        if (recursive)
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(path))
                Remove(entry, true);
        }
        Check(Libc.Rmdir(path), $"remove '{path}'");
    }

    // Depth 1: the directory's own entries.
    private static void List(string path, int depth, WireWriter reply)
    {
        if (FileStat.Read(path, follow: true).Kind != FileKind.Directory)
            throw AgentError.From(Errno.ENOTDIR, $"list '{path}'");
        var found = new List<FileStat>();
        Collect(path, Math.Clamp(depth, 1, 64), found);
        reply.Number(found.Count);
        foreach (var stat in found)
            stat.Write(reply);
    }

    private static void Collect(string path, int depth, List<FileStat> found)
    {
        string[] entries;
        try
        {
            entries = Directory.GetFileSystemEntries(path);
        }
        catch (UnauthorizedAccessException)
        {
            throw AgentError.From(Errno.EACCES, $"list '{path}'");
        }
        Array.Sort(entries, StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (found.Count >= MaxEntries)
                throw new AgentError(AgentErrorCode.Exhausted, $"'{path}' has more than {MaxEntries} entries; list a deeper directory or less depth");
            if (!FileStat.TryRead(entry, follow: false, out var stat))
                continue; // gone since
            found.Add(stat);
            if (depth > 1 && stat.Kind == FileKind.Directory)
                Collect(entry, depth - 1, found);
        }
    }

    private static int Check(int result, string what) => result >= 0 ? result : throw AgentError.FromLastError(what);
}
