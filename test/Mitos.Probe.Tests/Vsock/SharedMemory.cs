namespace Mitos.Probe.Tests.Vsock;

/// <summary>The guest's memory, mapped here too. Addresses of QEMU's and of the guest's are checked against its regions.</summary>
public sealed unsafe class SharedMemory : IDisposable
{
    private readonly List<Region> _regions = [];

    public void Map(int descriptor, ulong guest, ulong length, ulong qemu, ulong offset)
    {
        var at = Libc.Map(null, (nuint)(length + offset), 3 /* read, write */, 1 /* shared */, descriptor, 0);
        if ((nint)at == -1)
            throw new InvalidOperationException("The guest's memory cannot be mapped.");
        _ = Libc.Close(descriptor);
        _regions.Add(new Region(guest, length, qemu, (nint)at, offset));
    }

    public byte* FromQemu(ulong address)
    {
        var region = _regions.First(region => address >= region.Qemu && address - region.Qemu < region.Length);
        return (byte*)region.At + region.Offset + (address - region.Qemu);
    }

    public Span<byte> FromGuest(ulong address, uint length)
    {
        var region = _regions.First(region => address >= region.Guest && address - region.Guest < region.Length && length <= region.Length - (address - region.Guest));
        return new Span<byte>((byte*)region.At + region.Offset + (address - region.Guest), (int)length);
    }

    public void Clear()
    {
        foreach (var region in _regions)
            _ = Libc.Unmap((void*)region.At, (nuint)(region.Length + region.Offset));
        _regions.Clear();
    }

    public void Dispose() => Clear();

    private sealed record Region(ulong Guest, ulong Length, ulong Qemu, nint At, ulong Offset);
}
