using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Generations;

/// <summary>Copies and checks memory images. Pages of zeros are left out everywhere: they take no memory and no disk.</summary>
internal static class GenerationMemory
{
    private const int Chunk = 1 << 20;

    /// <summary>Copies the data of one file into another, page by page, and hashes it with its places.</summary>
    /// <returns>Bytes that are not zero, and the checksum.</returns>
    public static (long Bytes, byte[] Checksum) Copy(SafeFileHandle from, long length, SafeFileHandle to)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        Span<byte> place = stackalloc byte[8];
        long bytes = 0;
        try
        {
            foreach (var (start, end) in MemoryFile.DataRanges(from, length))
            {
                for (var at = start; at < end;)
                {
                    var want = (int)Math.Min(Chunk, end - at);
                    ReadFully(from, buffer.AsSpan(0, want), at);
                    for (var run = 0; run < want;)
                    {
                        var (first, count) = NextData(buffer.AsSpan(0, want), run);
                        if (count == 0)
                            break;
                        // by page, so that the sum does not depend on how either file keeps its data
                        for (var page = first; page < first + count; page += PageBuffer.PageSize)
                        {
                            BinaryPrimitives.WriteInt64LittleEndian(place, at + page);
                            hash.AppendData(place);
                            hash.AppendData(buffer.AsSpan(page, PageBuffer.PageSize));
                        }
                        RandomAccess.Write(to, buffer.AsSpan(first, count), at + first);
                        bytes += count;
                        run = first + count;
                    }
                    at += want;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return (bytes, hash.GetHashAndReset());
    }

    /// <summary>Copies the data of a generation's memory into another file.</summary>
    /// <returns>Bytes copied.</returns>
    public static long CopyData(MemoryFile from, MemoryFile to)
    {
        long bytes = 0;
        var buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        foreach (var (start, end) in from.DataRanges())
        {
            for (var at = start; at < end;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(Chunk, end - at));
                ReadFully(from.Handle, part, at);
                RandomAccess.Write(to.Handle, part, at);
                at += part.Length;
            }
            bytes += end - start;
        }
        ArrayPool<byte>.Shared.Return(buffer);
        return bytes;
    }

    /// <summary>Writes the pages of a capture where they belong.</summary>
    public static void Apply(MemoryFile to, IReadOnlyList<IReadOnlyList<PageRun>> runs, IReadOnlyList<GuestMemoryRegion> regions, PageBuffer buffer)
    {
        long at = 0;
        for (var region = 0; region < runs.Count; region++)
        {
            foreach (var run in runs[region])
            {
                var place = regions[region].FileOffset + ((long)run.First * PageBuffer.PageSize);
                for (long done = 0, length = (long)run.Count * PageBuffer.PageSize; done < length;)
                {
                    var part = buffer.AsSpan(at, (int)Math.Min(Chunk, length - done));
                    RandomAccess.Write(to.Handle, part, place + done);
                    done += part.Length;
                    at += part.Length;
                }
            }
        }
    }

    // The next run of pages that are not all zero, from `from` on; count 0 when there is none.
    private static (int First, int Count) NextData(ReadOnlySpan<byte> bytes, int from)
    {
        var first = from;
        while (first < bytes.Length && IsZero(bytes, first))
            first += PageBuffer.PageSize;
        var end = first;
        while (end < bytes.Length && !IsZero(bytes, end))
            end += PageBuffer.PageSize;
        return (first, Math.Min(end, bytes.Length) - first);
    }

    private static bool IsZero(ReadOnlySpan<byte> bytes, int page) =>
        !bytes[page..Math.Min(bytes.Length, page + PageBuffer.PageSize)].ContainsAnyExcept((byte)0);

    private static void ReadFully(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        while (buffer.Length > 0)
        {
            var got = RandomAccess.Read(file, buffer, offset);
            if (got == 0)
                throw new EndOfStreamException("A memory image is shorter than it says.");
            buffer = buffer[got..];
            offset += got;
        }
    }
}
