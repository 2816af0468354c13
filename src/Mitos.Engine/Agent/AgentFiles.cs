using System.Security.Cryptography;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>Files of a guest, used as one of its users, or for one of them by root. Paths are absolute, or relative to that user's home.</summary>
public sealed class AgentFiles
{
    private const int ReadChunk = 48 << 10, WriteChunk = 48 << 10, Ahead = 8;
    private readonly AgentConnection _connection;
    private readonly bool _asRoot;

    internal AgentFiles(AgentConnection connection, bool asRoot) => (_connection, _asRoot) = (connection, asRoot);

    /// <exception cref="AgentException">NotFound, PermissionDenied, InvalidArgument.</exception>
    public async Task<GuestFile> StatAsync(string path, string user, CancellationToken cancellationToken)
    {
        var answer = await RequestAsync(MessageType.Stat, path, user, _ => { }, cancellationToken);
        var reader = new WireReader(answer);
        var file = ReadFile(ref reader);
        return reader.Failed ? throw _connection.Malformed(MessageType.Stat) : file;
    }

    /// <param name="path">A directory.</param>
    /// <param name="depth">1: its own entries only; up to 64.</param>
    /// <param name="user">Whose rights.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="AgentException">As <see cref="StatAsync"/>; Exhausted beyond 10,000 entries.</exception>
    public async Task<IReadOnlyList<GuestFile>> ListAsync(string path, int depth, string user, CancellationToken cancellationToken)
    {
        var answer = await RequestAsync(MessageType.ListDirectory, path, user, writer => writer.Number(depth), cancellationToken);
        return Read(new WireReader(answer)) ?? throw _connection.Malformed(MessageType.ListDirectory);

        static List<GuestFile>? Read(WireReader reader)
        {
            var list = new List<GuestFile>();
            for (var count = reader.Count(); count > 0 && !reader.Failed; count--)
                list.Add(ReadFile(ref reader));
            return reader.Failed ? null : list;
        }
    }

    /// <summary>Copies a file, or a part of it, to a stream. Reads ahead.</summary>
    /// <returns>Bytes copied.</returns>
    public async Task<long> ReadAsync(string path, Stream target, string user, CancellationToken cancellationToken, long offset = 0, long length = long.MaxValue)
    {
        var ahead = new Queue<Task<byte[]>>();
        long copied = 0, asked = 0, size = long.MaxValue;
        while (copied < length)
        {
            while (ahead.Count < Ahead && asked < length && offset + asked < size)
            {
                var (at, want) = (offset + asked, (int)Math.Min(ReadChunk, length - asked));
                ahead.Enqueue(RequestAsync(MessageType.ReadFile, path, user, writer => writer.Number((ulong)at).Number(want), cancellationToken));
                asked += want;
                if (size == long.MaxValue)
                    break; // the first answer tells the size
            }
            if (!ahead.TryDequeue(out var next))
                break;
            var bytes = ReadChunkOf(await next, out var sizeNow);
            if (bytes.Length == 0)
                break;
            await target.WriteAsync(bytes, cancellationToken);
            copied += bytes.Length;
            if (sizeNow > 0)
                size = sizeNow;
            else
                asked = copied; // files of /proc say 0: one read after the other until nothing comes
        }
        await Task.WhenAll(ahead.Cast<Task>()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return copied;
    }

    /// <summary>Writes a file as a whole: it appears complete, or not at all. Missing directories are made.</summary>
    /// <param name="path">The file; replaced when it exists.</param>
    /// <param name="source">Its content, of any length.</param>
    /// <param name="mode">Permission bits; 0: 0644.</param>
    /// <param name="user">Whose file, and whose rights.</param>
    /// <param name="cancellationToken">Drops what was written.</param>
    /// <param name="metadata">See <see cref="GuestFile.Metadata"/>; what was there before goes.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="AgentException">Exhausted: the guest's disk is full.</exception>
    public async Task<long> WriteAsync(string path, Stream source, int mode, string user, CancellationToken cancellationToken, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var token = RandomNumberGenerator.GetHexString(12, lowercase: true);
        var ahead = new Queue<Task>();
        long offset = 0;
        try
        {
            while (true)
            {
                var chunk = new byte[WriteChunk];
                var got = await source.ReadAtLeastAsync(chunk, chunk.Length, throwOnEndOfStream: false, cancellationToken);
                if (got == 0 && offset > 0)
                    break;
                var at = offset;
                ahead.Enqueue(RequestAsync(MessageType.WriteFile, path, user, writer => writer.Text(token).Number((ulong)at).Raw(chunk.AsSpan(0, got)), cancellationToken));
                offset += got;
                if (ahead.Count >= Ahead || at == 0)
                    await ahead.Dequeue();
                if (got < chunk.Length)
                    break;
            }
            while (ahead.TryDequeue(out var next))
                await next;
            await RequestAsync(MessageType.CommitFile, path, user, writer => writer.Text(token).Number(mode).Map(metadata ?? new Dictionary<string, string>()), cancellationToken);
            return offset;
        }
        catch
        {
            await Task.WhenAll(ahead).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            Task abort = RequestAsync(MessageType.AbortFile, path, user, writer => writer.Text(token), limit.Token);
            await abort.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    /// <summary>Makes a directory and those above it. No error when it exists.</summary>
    public Task MakeDirectoryAsync(string path, string user, CancellationToken cancellationToken) =>
        RequestAsync(MessageType.MakeDirectory, path, user, writer => writer.Number(0), cancellationToken);

    public Task MoveAsync(string path, string target, string user, CancellationToken cancellationToken) =>
        RequestAsync(MessageType.Move, path, user, writer => writer.Text(target), cancellationToken);

    /// <param name="path">What to remove.</param>
    /// <param name="recursive">Whether a directory may have entries.</param>
    /// <param name="user">Whose rights.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task RemoveAsync(string path, bool recursive, string user, CancellationToken cancellationToken) =>
        RequestAsync(MessageType.Remove, path, user, writer => writer.Flag(recursive), cancellationToken);

    /// <summary>Watches a file or directory. It is in effect when this completes.</summary>
    /// <param name="path">What to watch.</param>
    /// <param name="recursive">Directories below it too, also those that are made later; at most 8,192.</param>
    /// <param name="user">Whose rights.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="AgentException">NotFound, PermissionDenied, Exhausted.</exception>
    public Task<FileWatch> WatchAsync(string path, bool recursive, string user, CancellationToken cancellationToken) =>
        FileWatch.StartAsync(_connection, path, recursive, user, _asRoot, cancellationToken);

    private Task<byte[]> RequestAsync(MessageType type, string path, string user, Action<WireWriter> rest, CancellationToken cancellationToken) =>
        _connection.RequestAsync(type, writer =>
        {
            writer.Text(user).Flag(_asRoot).Text(path);
            rest(writer);
        }, cancellationToken);

    private byte[] ReadChunkOf(byte[] answer, out long size)
    {
        var reader = new WireReader(answer);
        size = (long)Math.Min(reader.Number(), long.MaxValue);
        var bytes = reader.Bytes();
        return reader.Failed || bytes.Length > ReadChunk ? throw _connection.Malformed(MessageType.ReadFile) : bytes.ToArray();
    }

    private static GuestFile ReadFile(ref WireReader reader) =>
        new(reader.Text(), (FileKind)reader.Int32(), reader.Int32(), (uint)reader.Int32(), (uint)reader.Int32(), (long)reader.Number(),
            DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(reader.Signed(), 0, 253402300799999)), reader.Text(), reader.Map());
}

/// <summary>A file in a guest.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Kind">What it is; a link is not followed.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Group.</param>
/// <param name="Size">Bytes.</param>
/// <param name="ModifiedAt">Last change of its content.</param>
/// <param name="LinkTarget">Where a link points; else empty.</param>
/// <param name="Metadata">What users put beside its content: its extended attributes <c>user.e2b.KEY</c>, by KEY.</param>
public sealed record GuestFile(string Path, FileKind Kind, int Mode, uint UserId, uint GroupId, long Size, DateTimeOffset ModifiedAt, string LinkTarget,
    IReadOnlyDictionary<string, string> Metadata);
