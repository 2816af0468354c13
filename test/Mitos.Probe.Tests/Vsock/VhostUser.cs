using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Mitos.Probe.Tests.Vsock;

/// <summary>
/// The device's half of QEMU's vhost-user protocol (docs/interop/vhost-user.rst), as far as a vsock device with two polled queues
/// needs it. Used from one thread.
/// </summary>
public sealed unsafe class VhostUser(Socket socket, ulong contextId) : IDisposable
{
    private const ulong Version1 = 1UL << 32, ProtocolFeatures = 1UL << 30, ConfigFeature = 1UL << 9;
    private readonly Queue<int> _descriptors = [];

    private enum Request
    {
        GetFeatures = 1, SetFeatures = 2, SetOwner = 3, SetMemory = 5, SetRingSize = 8, SetRingAddress = 9, SetRingBase = 10, GetRingBase = 11, SetRingKick = 12,
        SetRingCall = 13, SetRingError = 14, GetProtocolFeatures = 15, SetProtocolFeatures = 16, SetRingEnable = 18, GetConfig = 24,
    }

    public SharedMemory Memory { get; } = new();

    /// <summary>To the guest, from the guest. One is ready once it has addresses and the guest's driver has started.</summary>
    public DeviceQueue[] Queues { get; } = [new(), new()];

    /// <summary>Handles one message of QEMU's, if one has come. False when QEMU is gone.</summary>
    public bool Poll()
    {
        if (!socket.Poll(0, SelectMode.SelectRead))
            return true;
        var header = new byte[12];
        if (!Receive(header))
            return false;
        var payload = new byte[BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8))];
        if (!Receive(payload))
            return false;
        Handle((Request)BinaryPrimitives.ReadInt32LittleEndian(header), payload);
        return true;
    }

    public void Dispose()
    {
        Memory.Dispose();
        socket.Dispose();
        foreach (var queue in Queues.Where(queue => queue.Call >= 0))
            _ = Libc.Close(queue.Call);
    }

    private void Handle(Request request, byte[] payload)
    {
        uint First() => BinaryPrimitives.ReadUInt32LittleEndian(payload);
        ulong Long(int at) => BinaryPrimitives.ReadUInt64LittleEndian(payload.AsSpan(at));
        uint Second() => BinaryPrimitives.ReadUInt32LittleEndian(payload.AsSpan(4));
        switch (request)
        {
            case Request.GetFeatures:
                Reply(request, BitConverter.GetBytes(Version1 | ProtocolFeatures));
                break;
            case Request.GetProtocolFeatures:
                Reply(request, BitConverter.GetBytes(ConfigFeature));
                break;
            case Request.GetConfig:
                BitConverter.GetBytes(contextId).CopyTo(payload, 12);
                Reply(request, payload);
                break;
            case Request.SetMemory:
                Memory.Clear();
                for (var i = 0; i < First(); i++)
                    Memory.Map(_descriptors.Dequeue(), Long(8 + (i * 32)), Long(16 + (i * 32)), Long(24 + (i * 32)), Long(32 + (i * 32)));
                break;
            case Request.SetRingSize:
                Queues[First()].Size = (int)Second();
                break;
            case Request.SetRingBase:
                Queues[First()].Seen = (ushort)Second();
                break;
            case Request.SetRingAddress:
                var queue = Queues[First()];
                queue.Descriptors = Memory.FromQemu(Long(8));
                queue.Used = Memory.FromQemu(Long(16));
                queue.Available = Memory.FromQemu(Long(24));
                break;
            case Request.SetRingEnable:
                Queues[First()].IsReady = Second() == 1;
                break;
            case Request.GetRingBase:
                Queues[First()].IsReady = false;
                Reply(request, [.. BitConverter.GetBytes(First()), .. BitConverter.GetBytes((uint)Queues[First()].Seen)]);
                break;
            case Request.SetRingCall:
                var called = Queues[payload[0]];
                if (called.Call >= 0)
                    _ = Libc.Close(called.Call);
                called.Call = _descriptors.TryDequeue(out var call) ? call : -1;
                break;
            case Request.SetRingKick or Request.SetRingError:
                while (_descriptors.TryDequeue(out var descriptor))
                    _ = Libc.Close(descriptor); // this side polls
                break;
            case Request.SetFeatures or Request.SetOwner or Request.SetProtocolFeatures:
                break;
            default:
                throw new NotSupportedException($"QEMU asks for {request}.");
        }
    }

    private void Reply(Request request, ReadOnlySpan<byte> payload)
    {
        Span<byte> header = stackalloc byte[12];
        BinaryPrimitives.WriteInt32LittleEndian(header, (int)request);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], 1 | 4); // version, a reply
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], payload.Length);
        socket.Send([.. header, .. payload]);
    }

    // Keeps the descriptors that come along.
    private bool Receive(Span<byte> bytes)
    {
        var control = stackalloc byte[256];
        while (bytes.Length > 0)
        {
            fixed (byte* at = bytes)
            {
                var part = new Libc.Part { Base = at, Length = (nuint)bytes.Length };
                var message = new Libc.Message { Parts = &part, PartCount = 1, Control = control, ControlLength = 256 };
                var got = Libc.ReceiveMessage((int)socket.Handle, &message, 0);
                if (got <= 0)
                    return false;
                if (message.ControlLength >= 20)
                {
                    var count = ((int)*(nuint*)control - 16) / 4;
                    for (var i = 0; i < count; i++)
                        _descriptors.Enqueue(*(int*)(control + 16 + (i * 4)));
                }
                bytes = bytes[(int)got..];
            }
        }
        return true;
    }
}

internal static unsafe partial class Libc
{
    [LibraryImport("libc", EntryPoint = "recvmsg")]
    public static partial nint ReceiveMessage(int socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial byte* Map(void* address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int descriptor, void* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    public struct Part
    {
        public byte* Base;
        public nuint Length;
    }

    public struct Message
    {
        public void* Name;
        public uint NameLength;
        public Part* Parts;
        public nuint PartCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
