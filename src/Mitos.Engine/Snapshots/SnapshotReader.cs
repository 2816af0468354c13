using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;
using ZstdSharp;

namespace Mitos.Engine.Snapshots;

/// <summary>A <see cref="SnapshotFile"/> whose index and device state have been read. Its pages are unpacked by all cores, once, and only then is it known to be sound.</summary>
internal sealed class SnapshotReader : IDisposable
{
    private const int MaxState = 64 << 20, MaxRegions = 16;
    private readonly SafeFileHandle _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly string _checksum;
    private readonly long _length;
    private long _place;

    private SnapshotReader(SafeFileHandle file, string checksum) => (_file, _checksum, _length) = (file, checksum, RandomAccess.GetLength(file));

    public byte[] State { get; private set; } = [];

    /// <summary>Of guest memory, in guest-physical order; addresses mean nothing.</summary>
    public List<GuestMemoryRegion> Regions { get; } = [];

    /// <summary>For each region its pages, in order.</summary>
    public List<IReadOnlyList<PageRun>> Runs { get; } = [];

    private long Bytes => Runs.Sum(list => list.Sum(run => (long)run.Count)) * PageBuffer.PageSize;

    /// <exception cref="InvalidDataException">It is not what was written.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SnapshotReader Open(string path, string checksum)
    {
        var reader = new SnapshotReader(File.OpenHandle(path), checksum);
        try
        {
            reader.ReadIndex();
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>All pages, in memory.</summary>
    /// <exception cref="InvalidDataException">They are not what was written.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    public CapturedPages ReadPages()
    {
        var buffer = Bytes > 0 ? new PageBuffer(Bytes, present: false) : null;
        try
        {
            ForEachPiece((piece, decompressor) => Unpack(piece, decompressor, buffer!.AsSpan(piece.At, piece.Length)));
            return new CapturedPages(Regions, Runs, buffer);
        }
        catch
        {
            buffer?.Dispose();
            throw;
        }
    }

    /// <summary>All pages, from the file into a machine: what is in the caches on its way is not brought there twice.</summary>
    /// <param name="pid">The process that has them.</param>
    /// <param name="addresses">Where it has the regions.</param>
    /// <exception cref="InvalidDataException">They are not what was written, and the machine must not run.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    /// <exception cref="Linux.LinuxException">The process or its mapping is gone.</exception>
    public void WritePages(int pid, IReadOnlyList<ulong> addresses)
    {
        var runs = RunsOfPieces();
        using var buffers = new ThreadLocal<PageBuffer>(() => new PageBuffer(SnapshotFile.Piece), trackAllValues: true);
        try
        {
            ForEachPiece((piece, decompressor) =>
            {
                var pages = buffers.Value!;
                var checksum = Unpack(piece, decompressor, pages.AsSpan(0, piece.Length));
                new PageTransfer(pid, addresses, runs[piece.Index], pages, 0, write: true).Run();
                return checksum;
            });
        }
        finally
        {
            foreach (var buffer in buffers.Values)
                buffer.Dispose();
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private void ReadIndex()
    {
        var header = Take(16);
        var (stateLength, regionCount) = (BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(12)));
        if (BinaryPrimitives.ReadUInt64LittleEndian(header) != SnapshotFile.Magic || stateLength is < 0 or > MaxState || regionCount is < 0 or > MaxRegions)
            throw new InvalidDataException("it does not begin as a snapshot does");
        for (var i = 0; i < regionCount; i++)
            ReadRegion();
        State = Take(stateLength);
    }

    private void ReadRegion()
    {
        var header = Take(20);
        var (offset, length, count) = (BinaryPrimitives.ReadInt64LittleEndian(header), BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(16)));
        var pages = length / PageBuffer.PageSize;
        if (offset < 0 || length < 0 || count < 0 || count > pages || count > (_length - _place) / 8)
            throw new InvalidDataException("its index makes no sense");
        var bytes = Take(count * 8);
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
        Regions.Add(new GuestMemoryRegion(0, length, offset));
        Runs.Add(runs);
    }

    // Several at a time; then the checksum of all.
    private void ForEachPiece(Func<Piece, Decompressor, byte[]> use)
    {
        var pieces = FindPieces();
        var checksums = new byte[pieces.Count][];
        try
        {
            Parallel.For(0, pieces.Count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, () => new Decompressor(), (i, _, decompressor) =>
            {
                checksums[i] = use(pieces[i], decompressor);
                return decompressor;
            }, decompressor => decompressor.Dispose());
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        foreach (var checksum in checksums)
            _hash.AppendData(checksum);
        if (Convert.ToHexStringLower(_hash.GetHashAndReset()) != _checksum)
            throw new InvalidDataException("its checksum is not the recorded one");
    }

    private List<Piece> FindPieces()
    {
        var (pieces, bytes, prefix) = (new List<Piece>(), Bytes, new byte[SnapshotFile.Prefix]);
        for (long at = 0; at < bytes; at += SnapshotFile.Piece)
        {
            ReadFully(prefix, _place);
            var packed = BinaryPrimitives.ReadInt32LittleEndian(prefix);
            if (packed is <= 0 or > 2 * SnapshotFile.Piece)
                throw new InvalidDataException("a piece of it makes no sense");
            pieces.Add(new Piece(pieces.Count, _place, SnapshotFile.Prefix + packed, at, (int)Math.Min(SnapshotFile.Piece, bytes - at)));
            _place += SnapshotFile.Prefix + packed;
        }
        return _place == _length ? pieces : throw new InvalidDataException(_place < _length ? "it is longer than it says" : "it is shorter than it says");
    }

    // For each piece, and in it for each region, the runs of its pages.
    private List<IReadOnlyList<PageRun>[]> RunsOfPieces()
    {
        var pieces = new List<IReadOnlyList<PageRun>[]>();
        var room = 0;
        for (var region = 0; region < Runs.Count; region++)
        {
            foreach (var whole in Runs[region])
            {
                for (var rest = whole; rest.Count > 0;)
                {
                    if (room == 0)
                    {
                        pieces.Add([.. Runs.Select(_ => new List<PageRun>())]);
                        room = SnapshotFile.Piece / PageBuffer.PageSize;
                    }
                    var taken = Math.Min(rest.Count, room);
                    ((List<PageRun>)pieces[^1][region]).Add(new PageRun(rest.First, taken));
                    rest = new PageRun(rest.First + taken, rest.Count - taken);
                    room -= taken;
                }
            }
        }
        return pieces;
    }

    /// <returns>The piece's checksum.</returns>
    private byte[] Unpack(Piece piece, Decompressor decompressor, Span<byte> pages)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(piece.Packed);
        try
        {
            var packed = buffer.AsSpan(0, piece.Packed);
            ReadFully(packed, piece.Place);
            if (decompressor.Unwrap(packed[SnapshotFile.Prefix..], pages) != pages.Length)
                throw new InvalidDataException("a piece of it is too short");
            return XxHash128.Hash(packed);
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

    private byte[] Take(int count)
    {
        if (count > _length - _place)
            throw new InvalidDataException("it is shorter than it says");
        var bytes = new byte[count];
        ReadFully(bytes, _place);
        _place += count;
        _hash.AppendData(bytes);
        return bytes;
    }

    private void ReadFully(Span<byte> bytes, long place)
    {
        for (var got = 0; got < bytes.Length;)
        {
            var read = RandomAccess.Read(_file, bytes[got..], place + got);
            if (read == 0)
                throw new InvalidDataException("it is shorter than it says");
            got += read;
        }
    }

    /// <param name="Index">From 0.</param>
    /// <param name="Place">Its length's, in the file, bytes.</param>
    /// <param name="Packed">With its length, bytes.</param>
    /// <param name="At">Of its pages among all, bytes.</param>
    /// <param name="Length">Of its pages, bytes.</param>
    private readonly record struct Piece(int Index, long Place, int Packed, long At, int Length);
}
