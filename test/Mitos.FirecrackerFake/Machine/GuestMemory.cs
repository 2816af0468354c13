using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>
/// A machine's memory, mapped as Firecracker maps it: 3 GiB from address 0 on, the rest from 4 GiB on; anonymous after a boot, a private
/// mapping of the memory file after a load. Lives as long as the process.
/// </summary>
internal sealed unsafe class GuestMemory
{
    private const long LowEnd = 3L << 30, HighStart = 4L << 30;
    private const int Chunk = 1 << 20;
    private readonly List<(long Start, long Length, long Offset, nint At)> _regions = [];

    private GuestMemory(long length) => Length = length;

    /// <summary>Bytes in all.</summary>
    public long Length { get; }

    /// <summary>Guest-physical regions in address order.</summary>
    public IEnumerable<(ulong Start, ulong Length)> Regions => _regions.Select(region => ((ulong)region.Start, (ulong)region.Length));

    public static GuestMemory Create(long length) => new GuestMemory(length).Map(null);

    /// <exception cref="IOException">The file is too short, or cannot be mapped.</exception>
    public static GuestMemory FromFile(string path, long length)
    {
        using var file = Libc.Open(path, write: false);
        return RandomAccess.GetLength(file) >= length
            ? new GuestMemory(length).Map(file)
            : throw new IOException($"the memory file has {RandomAccess.GetLength(file)} bytes, the machine {length}");
    }

    /// <summary>Bytes at a guest-physical address; all of them must lie in one region.</summary>
    public Span<byte> At(ulong address, ulong length)
    {
        foreach (var (start, size, _, at) in _regions)
        {
            if (address >= (ulong)start && address < (ulong)(start + size) && length <= (ulong)(start + size) - address)
                return new Span<byte>((byte*)at + (address - (ulong)start), checked((int)length));
        }
        throw new ArgumentOutOfRangeException(nameof(address), address, "There is no such memory.");
    }

    public bool Has(ulong address, ulong length) =>
        _regions.Any(region => address >= (ulong)region.Start && address < (ulong)(region.Start + region.Length) && length <= (ulong)(region.Start + region.Length) - address);

    public ulong ReadWord(ulong address) => Volatile.Read(ref MemoryMarshal.AsRef<ulong>(At(address, 8)));

    public void WriteWord(ulong address, ulong value) => Volatile.Write(ref MemoryMarshal.AsRef<ulong>(At(address, 8)), value);

    /// <summary>Writes all of it into a file of its length. Zeros over zeros are left out, so that an empty machine's file stays sparse.</summary>
    public void Dump(SafeFileHandle file)
    {
        var there = new byte[Chunk];
        foreach (var (start, size, offset, _) in _regions)
        {
            for (long done = 0; done < size; done += Chunk)
            {
                var bytes = At((ulong)(start + done), (ulong)Math.Min(Chunk, size - done));
                if (!bytes.ContainsAnyExcept((byte)0))
                {
                    var got = RandomAccess.Read(file, there.AsSpan(0, bytes.Length), offset + done);
                    if (!there.AsSpan(0, got).ContainsAnyExcept((byte)0))
                        continue;
                }
                RandomAccess.Write(file, bytes, offset + done);
            }
        }
    }

    private GuestMemory Map(SafeFileHandle? file)
    {
        MapRegion(file, 0, Math.Min(Length, LowEnd), 0);
        if (Length > LowEnd)
            MapRegion(file, HighStart, Length - LowEnd, LowEnd);
        return this;
    }

    private void MapRegion(SafeFileHandle? file, long start, long length, long offset)
    {
        var flags = Libc.Private | Libc.NoReserve | (file is null ? Libc.Anonymous : 0);
        var at = Libc.Map(null, (nuint)length, Libc.Read | Libc.Write, flags, file is null ? -1 : (int)file.DangerousGetHandle(), file is null ? 0 : offset);
        if ((nint)at == -1)
            throw new IOException(Libc.Words(Marshal.GetLastPInvokeError()));
        _regions.Add((start, length, offset, (nint)at));
    }
}
