using System.Text;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;

namespace Mitos.Guest.Sessions;

/// <summary>A listening unix socket, one client at a time: how the agent runs as an ordinary process in tests.</summary>
internal sealed unsafe class SocketTransport : ITransport
{
    private readonly EventLoop _loop;
    private readonly int _listener;
    private readonly byte[] _buffer = new byte[32 << 10];
    private int _fd = -1;

    public SocketTransport(EventLoop loop, string path)
    {
        _loop = loop;
        _listener = Libc.Socket(1, 1 | 0x80000 | 0x800, 0);
        var address = stackalloc byte[110];
        *(ushort*)address = 1;
        var length = Encoding.UTF8.GetBytes(path, new Span<byte>(address + 2, 107));
        if (Libc.Bind(_listener, address, (uint)(3 + length)) != 0 || Libc.Listen(_listener, 4) != 0)
            throw AgentError.FromLastError(path);
        loop.Add(_listener, EventLoop.In, _ => Accept());
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
