using System.Buffers.Binary;
using System.Text;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;

namespace Mitos.Guest.Sessions;

/// <summary>
/// A listening socket, one client at a time. vsock: machines whose VMM has no virtio-serial (Firecracker); each snapshot resets the
/// client's stream and leaves the listener, so that a host connects anew. Unix: the agent as an ordinary process, in tests.
/// </summary>
internal sealed unsafe class SocketTransport : ITransport
{
    private const int UnixFamily = 1, VsockFamily = 40;
    private readonly EventLoop _loop;
    private readonly int _listener;
    private readonly byte[] _buffer = new byte[32 << 10];
    private int _fd = -1;

    private SocketTransport(EventLoop loop, int family, ReadOnlySpan<byte> address, string subject)
    {
        _loop = loop;
        _listener = Libc.Socket(family, 1 | 0x80000 | 0x800, 0); // SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK
        if (_listener < 0)
            throw AgentError.FromLastError(subject);
        fixed (byte* bytes = address)
        {
            if (Libc.Bind(_listener, bytes, (uint)address.Length) != 0 || Libc.Listen(_listener, 4) != 0)
                throw AgentError.FromLastError(subject);
        }
        loop.Add(_listener, EventLoop.In, _ => Accept());
    }

    /// <param name="loop">Runs it.</param>
    /// <param name="path">Must not exist; at most 107 bytes.</param>
    public static SocketTransport ListenUnix(EventLoop loop, string path) =>
        new(loop, UnixFamily, [UnixFamily, 0, .. Encoding.UTF8.GetBytes(path), 0], path);

    /// <param name="loop">Runs it.</param>
    /// <param name="port">Of any context (VMADDR_CID_ANY); see vsock(7).</param>
    public static SocketTransport ListenVsock(EventLoop loop, uint port)
    {
        Span<byte> address = stackalloc byte[16]; // sockaddr_vm: family, reserved, port, cid, flags
        BinaryPrimitives.WriteUInt16LittleEndian(address, VsockFamily);
        BinaryPrimitives.WriteUInt32LittleEndian(address[4..], port);
        BinaryPrimitives.WriteUInt32LittleEndian(address[8..], uint.MaxValue);
        return new SocketTransport(loop, VsockFamily, address, $"vsock port {port}");
    }

    public Action<ReadOnlySpan<byte>>? Received { get; set; }

    public Action? Broken { get; set; }

    public Action? Writable { get; set; }

    public int Write(ReadOnlySpan<byte> bytes)
    {
        if (_fd < 0)
            return 0;
        fixed (byte* data = bytes)
        {
            var written = Libc.Write(_fd, data, (nuint)bytes.Length);
            return written > 0 ? (int)written : 0;
        }
    }

    private void Accept()
    {
        var fd = Libc.Accept4(_listener, null, null, 0x80000 | 0x800);
        if (fd < 0)
            return;
        Close();
        _fd = fd;
        _loop.Add(fd, EventLoop.In | EventLoop.Out | EventLoop.EdgeTriggered, OnEvent);
    }

    private void OnEvent(uint events)
    {
        while (_fd >= 0)
        {
            nint got;
            fixed (byte* data = _buffer)
                got = Libc.Read(_fd, data, (nuint)_buffer.Length);
            if (got == 0 || (got < 0 && Libc.LastError is not (Errno.EAGAIN or Errno.EINTR)))
            {
                Close();
                return;
            }
            if (got < 0)
                break;
            Received?.Invoke(_buffer.AsSpan(0, (int)got));
        }
        if ((events & EventLoop.Out) != 0)
            Writable?.Invoke();
    }

    private void Close()
    {
        if (_fd < 0)
            return;
        _loop.Remove(_fd);
        _ = Libc.Close(_fd);
        _fd = -1;
        Broken?.Invoke();
    }
}
