using System.Buffers.Binary;

namespace Mitos.Probe.Tests.Vsock;

/// <summary>A split virtqueue from the device's side (virtio 1.1, 2.6); polled, with interrupts for guests that wait for them.</summary>
public sealed unsafe class DeviceQueue
{
    public bool IsReady { get; set; }

    public int Size { get; set; }

    /// <summary>Index of the next entry of the available ring to look at.</summary>
    public ushort Seen { get; set; }

    public byte* Descriptors { get; set; }

    public byte* Available { get; set; }

    public byte* Used { get; set; }

    /// <summary>The eventfd by which QEMU interrupts the guest; -1: none.</summary>
    public int Call { get; set; } = -1;

    /// <summary>Takes the next chain's buffers. False when the guest has given none.</summary>
    public bool TryTake(SharedMemory memory, out ushort head, out List<(ulong Address, uint Length, bool Writable)> buffers)
    {
        (head, buffers) = (0, []);
        if (!IsReady || Volatile.Read(ref *(ushort*)(Available + 2)) == Seen)
            return false;
        head = *(ushort*)(Available + 4 + (Seen++ % Size * 2));
        for (int next = head, flags = 1; (flags & 1) != 0; next = *(ushort*)(Descriptors + (next * 16) + 14))
        {
            var descriptor = Descriptors + (next * 16);
            flags = *(ushort*)(descriptor + 12);
            var (address, length) = (*(ulong*)descriptor, *(uint*)(descriptor + 8));
            memory.FromGuest(address, length); // checks
            buffers.Add((address, length, (flags & 2) != 0));
        }
        return true;
    }

    /// <summary>Gives a chain back.</summary>
    public void Return(ushort head, int written)
    {
        ref var index = ref *(ushort*)(Used + 2);
        var element = Used + 4 + (index % Size * 8);
        *(uint*)element = head;
        *(uint*)(element + 4) = (uint)written;
        Volatile.Write(ref index, (ushort)(index + 1));
        Interrupt();
    }

    /// <summary>One for all queues of the device: the guest looks at each.</summary>
    public void Interrupt()
    {
        var one = 1UL;
        if (Call >= 0)
            _ = Libc.Write(Call, &one, sizeof(ulong));
    }

    /// <summary>Spreads a packet over the buffers of a chain.</summary>
    public static int Scatter(SharedMemory memory, List<(ulong Address, uint Length, bool Writable)> buffers, ReadOnlySpan<byte> packet)
    {
        var done = 0;
        foreach (var (address, length, _) in buffers)
        {
            var part = packet[done..Math.Min(packet.Length, done + (int)length)];
            part.CopyTo(memory.FromGuest(address, length));
            done += part.Length;
        }
        return done == packet.Length ? done : throw new InvalidDataException($"A packet of {packet.Length} bytes does not fit into {done}.");
    }
}

/// <summary>The header of a vsock packet (virtio 1.1, 5.10.6): 44 bytes.</summary>
public readonly record struct VsockHeader(ulong From, ulong To, uint FromPort, uint ToPort, uint Length, VsockOperation Operation, uint Flags, uint Window, uint Forwarded)
{
    public const int Bytes = 44;

    public static VsockHeader Read(ReadOnlySpan<byte> bytes)
    {
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]) != 1)
            throw new InvalidDataException("The guest sent a packet that is not of a stream.");
        return new(
            BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]),
            (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(bytes[30..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]));
    }

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, From);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], To);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], FromPort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[20..], ToPort);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[28..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[36..], Window);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], Forwarded);
    }
}

public enum VsockOperation : ushort
{
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}
