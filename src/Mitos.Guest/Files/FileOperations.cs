using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>What the host can do with files. Runs on the file worker's thread.</summary>
internal static unsafe class FileOperations
{
    private const int MaxRead = 48 << 10, MaxEntries = 10_000, MaxListBytes = 6 << 20;
    private const int CloseOnExec = 0x80000, NonBlocking = 0x800;

    public static void Run(MessageType type, WireReader request, WireWriter reply)
    {
        var user = FileUser.Read(ref request);
        var path = GuestPath.Resolve(request.Text(), user.Account);
        if (request.Failed)
            throw AgentError.Invalid("The request is incomplete");
        user.Become();
        switch (type)
        {
            case MessageType.Stat:
                Describe(FileStat.Read(path), reply);
                break;
            case MessageType.ListDirectory:
                List(path, request.Int32(), reply);
                break;
            case MessageType.ReadFile:
                Read(path, request.Number(), request.Int32(), reply);
                break;
            case MessageType.WriteFile:
                FileDraft.Write(user, GuestPath.Follow(path), request.Text(), request.Number(), request.Rest());
                break;
            case MessageType.CommitFile:
                FileDraft.Commit(user, GuestPath.Follow(path), request.Text(), (uint)request.Int32(), request.Map());
                break;
            case MessageType.AbortFile:
                FileDraft.Abort(GuestPath.Follow(path), request.Text());
                break;
            case MessageType.MakeDirectory:
                MakeDirectories(user, path, (uint)request.Int32());
                break;
            case MessageType.Move:
                var target = GuestPath.Resolve(request.Text(), user.Account);
                Check(Libc.Rename(path, target), $"move '{path}' to '{target}'");
                break;
            case MessageType.Remove:
                Remove(path, request.Flag());
                break;
        }
    }

    private static void Read(string path, ulong offset, int length, WireWriter reply)
    {
        if (length is < 0 or > MaxRead)
            throw AgentError.Invalid($"A read of {length} bytes; at most {MaxRead} are possible");
        var fd = Check(Libc.Open(path, CloseOnExec | NonBlocking, 0), $"open '{path}'"); // non-blocking: a pipe must not hold us
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

    /// <summary>Makes a directory and those above it that are missing.</summary>
    public static void MakeDirectories(FileUser user, string path, uint mode)
    {
        if (Directory.Exists(path))
            return;
        if (Path.GetDirectoryName(path) is { Length: > 0 } parent)
            MakeDirectories(user, parent, mode);
        if (Libc.Mkdir(path, mode != 0 ? mode : 0x1ED) == 0)
            user.Own(path);
        else if (Libc.LastError != Errno.EEXIST)
            throw AgentError.FromLastError($"make the directory '{path}'");
        if (!Directory.Exists(path))
            throw AgentError.From(Errno.ENOTDIR, $"make the directory '{path}'");
    }

    private static void Remove(string path, bool recursive)
    {
        if (FileStat.Read(path).Kind != FileKind.Directory)
        {
            Check(Libc.Unlink(path), $"remove '{path}'");
            return;
        }
        // Directories in the order they are found, so that each comes after the one that it is in: no recursion, for a tree may be deep.
        List<string> directories = [path];
        for (var i = 0; recursive && i < directories.Count; i++)
        {
            foreach (var entry in Entries(directories[i]))
            {
                if (!FileStat.TryRead(entry, follow: false, out var stat))
                    continue; // gone since
                if (stat.Kind == FileKind.Directory)
                    directories.Add(entry);
                else
                    Check(Libc.Unlink(entry), $"remove '{entry}'");
            }
        }
        for (var i = directories.Count - 1; i >= 0; i--)
            Check(Libc.Rmdir(directories[i]), $"remove '{directories[i]}'");
    }

    private static string[] Entries(string path)
    {
        try
        {
            return Directory.GetFileSystemEntries(path);
        }
        catch (UnauthorizedAccessException)
        {
            throw AgentError.From(Errno.EACCES, $"list '{path}'");
        }
        catch (DirectoryNotFoundException)
        {
            throw AgentError.From(Errno.ENOENT, $"list '{path}'");
        }
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
        {
            Describe(stat, reply);
            if (reply.Written.Length > MaxListBytes)
                throw new AgentError(AgentErrorCode.Exhausted, $"What there is to say of the entries of '{path}' is longer than {MaxListBytes >> 20} MiB; list a deeper directory or less depth");
        }
    }

    private static void Describe(FileStat stat, WireWriter reply)
    {
        stat.Write(reply);
        reply.Map(Metadata.Read(stat.Path, stat.Kind));
    }

    private static void Collect(string path, int depth, List<FileStat> found)
    {
        var entries = Entries(path);
        Array.Sort(entries, StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (found.Count >= MaxEntries)
                throw new AgentError(AgentErrorCode.Exhausted, $"'{path}' has more than {MaxEntries} entries; list a deeper directory or less depth");
            if (!FileStat.TryRead(entry, follow: false, out var stat))
                continue; // gone since
            found.Add(stat);
            if (depth > 1 && stat.Kind == FileKind.Directory)
                CollectBelow(entry, depth - 1, found);
        }
    }

    private static void CollectBelow(string path, int depth, List<FileStat> found)
    {
        try
        {
            Collect(path, depth, found);
        }
        catch (Exception e) when (e is AgentError { Code: AgentErrorCode.NotFound } || (e is IOException && !Directory.Exists(path)))
        {
            // gone since, or something else is in its place
        }
    }

    private static int Check(int result, string what) => result >= 0 ? result : throw AgentError.FromLastError(what);
}
