using System.Runtime.InteropServices;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>What statx(2) says of a file.</summary>
internal readonly record struct FileStat(string Path, FileKind Kind, uint Mode, uint UserId, uint GroupId, long Size, long ModifiedUnixMs, string LinkTarget)
{
    private const int Statx = 332, AtFdCwd = -100, NoFollow = 0x100, BasicStats = 0x7FF;

    /// <exception cref="AgentError">NotFound, PermissionDenied.</exception>
    public static FileStat Read(string path, bool follow = false) =>
        TryRead(path, follow, out var stat) ? stat : throw AgentError.FromLastError($"'{path}'");

    public static unsafe bool TryRead(string path, bool follow, out FileStat stat)
    {
        stat = default;
        var raw = stackalloc byte[256]; // struct statx
        var name = Marshal.StringToCoTaskMemUTF8(path);
        var result = Libc.Syscall(Statx, AtFdCwd, name, follow ? 0 : NoFollow, BasicStats, (nint)raw);
        Marshal.FreeCoTaskMem(name);
        if (result != 0)
            return false;
        var mode = *(ushort*)(raw + 28);
        var kind = (mode & 0xF000) switch
        {
            0x8000 => FileKind.File,
            0x4000 => FileKind.Directory,
            0xA000 => FileKind.Link,
            _ => FileKind.Other,
        };
        var modified = (*(long*)(raw + 112) * 1000) + (*(uint*)(raw + 120) / 1_000_000);
        stat = new FileStat(path, kind, (uint)(mode & 0xFFF), *(uint*)(raw + 20), *(uint*)(raw + 24), *(long*)(raw + 40), modified,
            kind == FileKind.Link ? ReadLink(path) : "");
        return true;
    }

    /// <summary>What differs between two versions of a file; all zero when there is none.</summary>
    public static unsafe (ulong Inode, long Size, long Changed, uint Nanoseconds) Version(string path)
    {
        var raw = stackalloc byte[256]; // struct statx
        var name = Marshal.StringToCoTaskMemUTF8(path);
        var result = Libc.Syscall(Statx, AtFdCwd, name, 0, BasicStats, (nint)raw);
        Marshal.FreeCoTaskMem(name);
        return result != 0 ? default : (*(ulong*)(raw + 32), *(long*)(raw + 40), *(long*)(raw + 96), *(uint*)(raw + 104));
    }

    public void Write(WireWriter writer) =>
        writer.Text(Path).Number((int)Kind).Number((int)Mode).Number((int)UserId).Number((int)GroupId).Number((ulong)Size).Signed(ModifiedUnixMs).Text(LinkTarget);

    private static unsafe string ReadLink(string path)
    {
        var buffer = stackalloc byte[4096];
        var length = Libc.Readlink(path, buffer, 4096);
        return length > 0 ? global::System.Text.Encoding.UTF8.GetString(buffer, (int)length) : "";
    }
}
