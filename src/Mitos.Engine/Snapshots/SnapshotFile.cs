using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using ZstdSharp;

namespace Mitos.Engine.Snapshots;

/// <summary>
/// A capture as a file: magic, index (regions, runs of pages), device state, then the pages in pieces of 1 MiB, each its length and then
/// compressed by itself. Integers are little-endian. The checksum is the SHA-256 of all before the pieces, followed by the XxHash128 of each
/// piece: it is there to see damage, and all cores work at it.
/// </summary>
internal static class SnapshotFile
{
    public const ulong Magic = 0x32_50_41_43_53_54_49_4D; // MITSCAP2
    public const int Piece = 1 << 20, Prefix = 4; // bytes: of pages, and of a length
    private const int Level = 1;
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
    public static Task<(byte[] State, CapturedPages Pages)> ReadAsync(string path, string checksum) => Task.Factory.StartNew(() =>
    {
        using var reader = SnapshotReader.Open(path, checksum);
        return (reader.State, reader.ReadPages());
    }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

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

    private readonly record struct Packed(byte[] Buffer, int Length, byte[] Checksum);
}
