using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;
using ZstdSharp;

namespace Mitos.Engine.Snapshots;

/// <summary>
/// A capture as a file: magic, index (regions, runs of pages), device state, then the pages in pieces of 1 MiB, each its length and then
/// compressed by itself. Integers are little-endian. The checksum is the SHA-256 of all before the pieces, followed by the XxHash128 of each
/// piece: it is there to see damage, and all cores work at it.
/// </summary>
internal static class SnapshotFile
{
    private const ulong Magic = 0x32_50_41_43_53_54_49_4D; // MITSCAP2
    private const int Piece = 1 << 20, Level = 1, MaxState = 64 << 20, MaxRegions = 16, Prefix = 4;
    private static readonly int Ahead = Environment.ProcessorCount * 2;

    /// <summary>Writes and syncs a new file.</summary>
    /// <returns>Its length and its checksum.</returns>
    /// <exception cref="IOException">The disk is full.</exception>
    public static async Task<(long Length, string Checksum)> WriteAsync(string path, byte[] state, CapturedPages pages)
    {
        await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await PutAsync(Header(state, pages));
        await PutAsync(state);
        var waiting = new Queue<Task<Packed>>();
        var bytes = pages.Bytes;
        try
        {
            for (long at = 0; at < bytes; at += Piece)
            {
                var (from, length) = (at, (int)Math.Min(Piece, bytes - at));
                waiting.Enqueue(Task.Run(() => Compress(pages.Pages!.AsSpan(from, length))));
                if (waiting.Count >= Ahead)
                    await PutPieceAsync(await waiting.Dequeue());
            }
            while (waiting.TryDequeue(out var next))
                await PutPieceAsync(await next);
        }
        finally
        {
            await ((Task)Task.WhenAll(waiting)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // nobody may read a buffer that is gone
        }
        file.Flush(flushToDisk: true);
        return (file.Length, Convert.ToHexStringLower(hash.GetHashAndReset()));

        async Task PutAsync(byte[] part)
        {
            hash.AppendData(part);
            await file.WriteAsync(part);
        }

        async Task PutPieceAsync(Packed piece)
        {
            hash.AppendData(piece.Checksum);
            await file.WriteAsync(piece.Buffer.AsMemory(0, piece.Length));
            ArrayPool<byte>.Shared.Return(piece.Buffer);
        }
    }

    /// <summary>Reads a whole file, and checks it.</summary>
    /// <exception cref="InvalidDataException">It is not what was written.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static async Task<(byte[] State, CapturedPages Pages)> ReadAsync(string path, string checksum)
    {
        await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, BufferSize = 0 });
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var fixedPart = await TakeAsync(file, hash, 16);
        var (stateLength, regionCount) = (BinaryPrimitives.ReadInt32LittleEndian(fixedPart.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(fixedPart.AsSpan(12)));
        if (BinaryPrimitives.ReadUInt64LittleEndian(fixedPart) != Magic || stateLength is < 0 or > MaxState || regionCount is < 0 or > MaxRegions)
            throw new InvalidDataException("it does not begin as a snapshot does");
        var regions = new List<GuestMemoryRegion>();
        var runs = new List<IReadOnlyList<PageRun>>();
        for (var i = 0; i < regionCount; i++)
        {
            var (region, list) = await ReadRegionAsync(file, hash);
            regions.Add(region);
            runs.Add(list);
        }
        var state = await TakeAsync(file, hash, stateLength);
        var bytes = runs.Sum(list => list.Sum(run => (long)run.Count)) * PageBuffer.PageSize;
        var buffer = bytes > 0 ? new PageBuffer(bytes, present: false) : null;
        try
        {
            if (buffer is not null)
                await ReadPiecesAsync(file, hash, buffer, bytes);
            else if (file.Position != file.Length)
                throw new InvalidDataException("it is longer than it says");
            if (Convert.ToHexStringLower(hash.GetHashAndReset()) != checksum)
                throw new InvalidDataException("its checksum is not the recorded one");
            return (state, new CapturedPages(regions, runs, buffer));
        }
        catch
        {
            buffer?.Dispose();
            throw;
        }
    }

    private static async Task<(GuestMemoryRegion Region, List<PageRun> Runs)> ReadRegionAsync(FileStream file, IncrementalHash hash)
    {
        var header = await TakeAsync(file, hash, 20);
        var (offset, length, count) = (BinaryPrimitives.ReadInt64LittleEndian(header), BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(16)));
        var pages = length / PageBuffer.PageSize;
        if (offset < 0 || length < 0 || count < 0 || count > pages || count > (file.Length - file.Position) / 8)
            throw new InvalidDataException("its index makes no sense");
        var bytes = await TakeAsync(file, hash, count * 8);
        var runs = new List<PageRun>(count);
        long end = 0;
        for (var i = 0; i < count; i++)
        {
            var run = new PageRun(BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(i * 8)), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan((i * 8) + 4)));
            if (run.First < end || run.Count <= 0 || (long)run.First + run.Count > pages)
                throw new InvalidDataException("its index makes no sense");
            end = (long)run.First + run.Count;
            runs.Add(run);
        }
        return (new GuestMemoryRegion(0, length, offset), runs);
    }

    private static async Task ReadPiecesAsync(FileStream file, IncrementalHash hash, PageBuffer buffer, long bytes)
    {
        var working = new Queue<Task<byte[]>>();
        var (place, end) = (file.Position, file.Length);
        var prefix = new byte[Prefix];
        try
        {
            for (long at = 0; at < bytes; at += Piece)
            {
                if (RandomAccess.Read(file.SafeFileHandle, prefix, place) < Prefix)
                    throw new InvalidDataException("it is shorter than it says");
                var packed = BinaryPrimitives.ReadInt32LittleEndian(prefix);
                if (packed is <= 0 or > 2 * Piece)
                    throw new InvalidDataException("a piece of it makes no sense");
                var (from, whole, to, length) = (place, Prefix + packed, at, (int)Math.Min(Piece, bytes - at));
                working.Enqueue(Task.Run(() => Decompress(file.SafeFileHandle, from, whole, buffer.AsSpan(to, length))));
                place += whole;
                if (working.Count >= Ahead)
                    hash.AppendData(await working.Dequeue());
            }
            while (working.TryDequeue(out var next))
                hash.AppendData(await next);
            if (place != end)
                throw new InvalidDataException("it is longer than it says");
        }
        finally
        {
            await ((Task)Task.WhenAll(working)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // nobody may write into a buffer that is gone
        }
    }

    private static byte[] Header(byte[] state, CapturedPages pages)
    {
        using var memory = new MemoryStream();
        using var writer = new BinaryWriter(memory);
        writer.Write(Magic);
        writer.Write(state.Length);
        writer.Write(pages.Regions.Count);
        for (var i = 0; i < pages.Regions.Count; i++)
        {
            writer.Write(pages.Regions[i].FileOffset);
            writer.Write(pages.Regions[i].Length);
            writer.Write(pages.Runs[i].Count);
            foreach (var run in pages.Runs[i])
            {
                writer.Write(run.First);
                writer.Write(run.Count);
            }
        }
        return memory.ToArray();
    }

    private static Packed Compress(ReadOnlySpan<byte> pages)
    {
        using var compressor = new Compressor(Level);
        var buffer = ArrayPool<byte>.Shared.Rent(Prefix + Compressor.GetCompressBound(pages.Length));
        var packed = compressor.Wrap(pages, buffer.AsSpan(Prefix));
        BinaryPrimitives.WriteInt32LittleEndian(buffer, packed);
        return new Packed(buffer, Prefix + packed, XxHash128.Hash(buffer.AsSpan(0, Prefix + packed)));
    }

    /// <returns>The piece's checksum.</returns>
    private static byte[] Decompress(SafeFileHandle file, long from, int whole, Span<byte> pages)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(whole);
        try
        {
            var piece = buffer.AsSpan(0, whole);
            for (var got = 0; got < whole;)
            {
                var read = RandomAccess.Read(file, piece[got..], from + got);
                if (read == 0)
                    throw new InvalidDataException("it is shorter than it says");
                got += read;
            }
            using var decompressor = new Decompressor();
            if (decompressor.Unwrap(piece[Prefix..], pages) != pages.Length)
                throw new InvalidDataException("a piece of it is too short");
            return XxHash128.Hash(piece);
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"a piece of it is damaged: {e.Message}", e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<byte[]> TakeAsync(FileStream file, IncrementalHash hash, int count)
    {
        var bytes = new byte[count];
        try
        {
            await file.ReadExactlyAsync(bytes);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("it is shorter than it says", e);
        }
        hash.AppendData(bytes);
        return bytes;
    }

    private readonly record struct Packed(byte[] Buffer, int Length, byte[] Checksum);
}
