using System.Buffers.Binary;

namespace Mitos.Engine.Vmm;

/// <summary>What programs need of a host's file system.</summary>
internal static class HostFiles
{
    private const int ProgramHeadersAt = 32, ProgramHeaderSizeAt = 54, ProgramHeaderCountAt = 56, Interpreter = 3;

    /// <summary>What a program with shared libraries needs; not the host's own settings.</summary>
    public static IReadOnlyList<string> Programs { get; } = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"];

    /// <summary>Whether a program is an ELF file without an interpreter (elf(5)), which needs no other.</summary>
    public static bool IsSelfContained(string path)
    {
        if (!File.Exists(path))
            return true;
        using var file = File.OpenHandle(path);
        var head = new byte[4096];
        var bytes = head.AsSpan(0, RandomAccess.Read(file, head, 0));
        if (bytes.Length < 64 || !bytes.StartsWith("\u007FELF"u8))
            return false;
        var at = BinaryPrimitives.ReadUInt64LittleEndian(bytes[ProgramHeadersAt..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(bytes[ProgramHeaderSizeAt..]);
        for (var i = BinaryPrimitives.ReadUInt16LittleEndian(bytes[ProgramHeaderCountAt..]); i > 0; i--, at += size)
        {
            if (at > (ulong)bytes.Length - sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(bytes[(int)at..]) == Interpreter)
                return false;
        }
        return true;
    }
}
