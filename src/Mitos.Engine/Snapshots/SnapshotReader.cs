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

/// <summary>
/// A <see cref="SnapshotFile"/> whose index and device state have been read. Its pages are read once, in their order as disks like it, and
/// unpacked by all cores; only then is it known to be sound.
/// </summary>
internal sealed class SnapshotReader : IDisposable
{
    private const int MaxState = 64 << 20, MaxRegions = 16;
    private const int MaxPacked = 2 * SnapshotFile.Piece;

    // Of all that are read at a time: their work is the processors'.
    private static readonly SemaphoreSlim Cores = new(Environment.ProcessorCount);

    private readonly Lock _reading = new();
    private readonly SafeFileHandle _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly string _checksum;
    private readonly long _length;
    private long _place; // in the file
    private long _at; // in the pages
    private Exception? _failure;

    private SnapshotReader(SafeFileHandle file, string checksum) => (_file, _checksum, _length) = (file, checksum, RandomAccess.GetLength(file));

    public byte[] State { get; private set; } = [];

    /// <summary>Of guest memory, in guest-physical order; addresses mean nothing.</summary>
    public List<GuestMemoryRegion> Regions { get; } = [];

    /// <summary>For each region its pages, in order.</summary>
    public List<IReadOnlyList<PageRun>> Runs { get; } = [];

    private long Bytes { get; set; }

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
            ForEachPiece((piece, packed, decompressor, _) => Unpack(packed, decompressor, buffer!.AsSpan(piece.At, piece.Length)), room: 0);
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
    /// <param name="regions">Where it has them.</param>
    /// <exception cref="InvalidDataException">They are not what was written, or not that machine's; it must not run.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    /// <exception cref="Linux.LinuxException">The process or its mapping is gone.</exception>
    public void WritePages(int pid, IReadOnlyList<GuestMemoryRegion> regions)
    {
        if (!regions.Select(region => region.Length).SequenceEqual(Regions.Select(region => region.Length)))
            throw new InvalidDataException("it is of a machine of another shape");
        var addresses = regions.Select(region => region.Address).ToList();
        var runs = RunsOfPieces();
        ForEachPiece((piece, packed, decompressor, pages) =>
        {
            Unpack(packed, decompressor, pages!.AsSpan(0, piece.Length));
            new PageTransfer(pid, addresses, runs[piece.Index], pages, 0, write: true).Run();
        }, room: SnapshotFile.Piece);
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
            Bytes += (long)run.Count * PageBuffer.PageSize;
            runs.Add(run);
        }
        Regions.Add(new GuestMemoryRegion(0, length, offset));
        Runs.Add(runs);
    }

    // By the caller and threads of their own: the pool's are for answers. Then the checksum of all is compared.
    private void ForEachPiece(Use use, int room)
    {
        var checksums = new byte[(Bytes + SnapshotFile.Piece - 1) / SnapshotFile.Piece][];
        var helpers = Enumerable.Range(0, Math.Clamp(checksums.Length - 1, 0, Environment.ProcessorCount - 1))
            .Select(_ => Task.Factory.StartNew(() => Work(use, room, checksums), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        Work(use, room, checksums);
        Task.WaitAll(helpers);
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
        foreach (var checksum in checksums)
            _hash.AppendData(checksum);
        if (Convert.ToHexStringLower(_hash.GetHashAndReset()) != _checksum)
            throw new InvalidDataException("its checksum is not the recorded one");
    }

    private void Work(Use use, int room, byte[][] checksums)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(SnapshotFile.Prefix + MaxPacked);
        try
        {
            using var decompressor = new Decompressor();
            using var pages = room > 0 ? new PageBuffer(room) : null;
            while (ReadNext(buffer) is { } piece)
            {
                var packed = buffer.AsSpan(0, piece.Packed);
                Cores.Wait();
                try
                {
                    checksums[piece.Index] = XxHash128.Hash(packed);
                    use(piece, packed[SnapshotFile.Prefix..], decompressor, pages);
                }
                finally
                {
                    Cores.Release();
                }
            }
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads the next piece with its length; null: there is none, or one has failed.</summary>
    private Piece? ReadNext(byte[] buffer)
    {
        lock (_reading)
        {
            var length = (int)Math.Min(SnapshotFile.Piece, Bytes - _at);
            if (_failure is not null)
                return null;
            if (length == 0)
                return _place == _length ? null : throw new InvalidDataException("it is longer than it says");
            ReadFully(buffer.AsSpan(0, SnapshotFile.Prefix), _place);
            var packed = BinaryPrimitives.ReadInt32LittleEndian(buffer);
            if (packed is <= 0 or > MaxPacked)
                throw new InvalidDataException("a piece of it makes no sense");
            ReadFully(buffer.AsSpan(SnapshotFile.Prefix, packed), _place + SnapshotFile.Prefix);
            var piece = new Piece((int)(_at / SnapshotFile.Piece), SnapshotFile.Prefix + packed, _at, length);
            (_place, _at) = (_place + piece.Packed, _at + length);
            return piece;
        }
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

    private static void Unpack(ReadOnlySpan<byte> packed, Decompressor decompressor, Span<byte> pages)
    {
        try
        {
            if (decompressor.Unwrap(packed, pages) != pages.Length)
                throw new InvalidDataException("a piece of it is too short");
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"a piece of it is damaged: {e.Message}", e);
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
    /// <param name="Packed">With its length before it, bytes.</param>
    /// <param name="At">Of its pages among all, bytes.</param>
    /// <param name="Length">Of its pages, bytes.</param>
    private readonly record struct Piece(int Index, int Packed, long At, int Length);

    /// <summary>Takes the pages out of a piece, to its place or to the room for one.</summary>
    private delegate void Use(Piece piece, ReadOnlySpan<byte> packed, Decompressor decompressor, PageBuffer? room);
}
