using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>
/// A file under way: pieces go to a draft beside the file, which then takes its place by a rename. So it appears complete, or
/// not at all. A piece that comes twice is written twice to the same place.
/// </summary>
internal static unsafe class FileDraft
{
    private const int CreateNew = 0x40 | 0x200, WriteOnly = 1, CloseOnExec = 0x80000, NoFollow = 0x20000, MaxNameBytes = 255;
    private const uint SetIds = 0xC00; // S_ISUID, S_ISGID: with another owner they would mean another

    public static void Write(FileUser user, string path, string token, ulong offset, ReadOnlySpan<byte> bytes)
    {
        // A device or pipe would be replaced by the rename.
        if (FileStat.TryRead(path, follow: true, out var existing) && existing.Kind != FileKind.File)
            throw existing.Kind == FileKind.Directory ? AgentError.From(Errno.EISDIR, $"write '{path}'") : AgentError.Invalid($"'{path}' is no regular file; write to it with a command");
        if (offset == 0 && Path.GetDirectoryName(path) is { } parent)
            FileOperations.MakeDirectories(user, parent, 0x1ED /* 0755 */);
        var draft = NameOf(path, token);
        // Only the first piece makes the file: after a full disk, pieces that are still on their way must not bring it back.
        var fd = Libc.Open(draft, WriteOnly | CloseOnExec | NoFollow | (offset == 0 ? CreateNew : 0), 0x180 /* 0600 */);
        if (fd < 0)
            throw AgentError.FromLastError($"write '{path}'");
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

    /// <param name="user">Whose file it is then, also where it replaces another's.</param>
    /// <param name="path">The file.</param>
    /// <param name="token">Of the upload.</param>
    /// <param name="mode">Permission bits; 0: those of the file that is replaced, else 0644.</param>
    /// <param name="metadata">See <see cref="Metadata"/>. A file that is replaced takes its own with it.</param>
    public static void Commit(FileUser user, string path, string token, uint mode, Dictionary<string, string> metadata)
    {
        var draft = NameOf(path, token);
        try
        {
            Metadata.Set(draft, metadata);
            user.Own(draft);
        }
        catch (AgentError)
        {
            _ = Libc.Unlink(draft);
            throw;
        }
        if (mode == 0)
            mode = !FileStat.TryRead(path, follow: true, out var existing) ? 0x1A4 : user.AsRoot ? existing.Mode & ~SetIds : existing.Mode;
        if (Libc.Chmod(draft, mode & 0xFFF) == 0 && Libc.Rename(draft, path) == 0)
            return;
        var error = AgentError.FromLastError($"write '{path}'");
        _ = Libc.Unlink(draft);
        throw error;
    }

    public static void Abort(string path, string token) => _ = Libc.Unlink(NameOf(path, token));

    private static string NameOf(string path, string token)
    {
        if (token.Length is 0 or > 64 || token.AsSpan().ContainsAny('/', '\0'))
            throw AgentError.Invalid("An upload's token must be 1 to 64 characters without '/'");
        var suffix = $".mitos-{token}";
        var name = Path.GetFileName(path);
        return Encoding.UTF8.GetByteCount(name) + suffix.Length <= MaxNameBytes ? path + suffix : path[..^name.Length] + suffix;
    }
}
