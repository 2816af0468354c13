using System.Buffers.Binary;

namespace Mitos.Engine.Templates;

/// <summary>Unpacks LZ4's legacy frames (lz4_Frame_format.md, "Legacy frame"), the form of compressed Linux kernels.</summary>
internal static class Lz4Legacy
{
    private const int MaxBlock = 8 << 20;

    /// <summary>Writes the content of all blocks that follow the magic number; stops at what is no block.</summary>
    public static void Decode(ReadOnlySpan<byte> source, Stream target)
    {
        var block = new byte[MaxBlock];
        while (source.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(source);
            if (length == 0 || length > source.Length - 4)
                return; // the decompressor's own code follows the kernel
            var written = DecodeBlock(source.Slice(4, (int)length), block);
            target.Write(block.AsSpan(0, written));
            source = source[(4 + (int)length)..];
            if (written < MaxBlock)
                return;
        }
    }

    private static int DecodeBlock(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var (from, to) = (0, 0);
        while (from < source.Length)
        {
            var token = source[from++];
            var literals = ReadLength(token >> 4, source, ref from);
            source.Slice(from, literals).CopyTo(target[to..]);
            (from, to) = (from + literals, to + literals);
            if (from >= source.Length)
                break; // the last sequence has no match
            var distance = source[from] | source[from + 1] << 8;
            from += 2;
            var count = ReadLength(token & 15, source, ref from) + 4;
            for (var i = 0; i < count; i++, to++)
                target[to] = target[to - distance]; // may overlap: byte by byte
        }
        return to;
    }

    private static int ReadLength(int length, ReadOnlySpan<byte> source, ref int from)
    {
        if (length < 15)
            return length;
        byte more;
        do
        {
            more = source[from++];
            length += more;
        }
        while (more == 255);
        return length;
    }
}
