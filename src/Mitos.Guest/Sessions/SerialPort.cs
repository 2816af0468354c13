using Mitos.Guest.Loop;
using Mitos.Guest.Native;

namespace Mitos.Guest.Sessions;

/// <summary>
/// The virtio-serial port named <c>mitos.agent</c>. Edge-triggered: while no host is connected the port reports a hang-up all the
/// time, which a level-triggered wait would turn into a busy loop.
/// </summary>
internal sealed unsafe class SerialPort : ITransport
{
    private readonly int _fd;
    private readonly byte[] _buffer = new byte[32 << 10];

    public SerialPort(EventLoop loop, string path)
    {
        _fd = Libc.Open(path, 2 | 0x800 | 0x80000, 0); // O_RDWR | O_NONBLOCK | O_CLOEXEC
        if (_fd < 0)
            throw AgentError.FromLastError(path);
        loop.Add(_fd, EventLoop.In | EventLoop.Out | EventLoop.EdgeTriggered, OnEvent);
    }

    public Action<ReadOnlySpan<byte>>? Received { get; set; }

    public Action? Broken { get; set; }

    public Action? Writable { get; set; }

    public int Write(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* data = bytes)
        {
            var written = Libc.Write(_fd, data, (nuint)bytes.Length);
            return written > 0 ? (int)written : 0;
        }
    }

    private void OnEvent(uint events)
    {
        // First, for it may be old by now: a new host's greeting can be among the bytes below, and must not be broken off.
        if ((events & EventLoop.HangUp) != 0)
            Broken?.Invoke();
        while (true)
        {
            nint got;
            fixed (byte* data = _buffer)
                got = Libc.Read(_fd, data, (nuint)_buffer.Length);
            if (got <= 0)
                break;
            Received?.Invoke(_buffer.AsSpan(0, (int)got));
        }
        if ((events & EventLoop.Out) != 0)
            Writable?.Invoke();
    }

    /// <summary>Its path; null in a machine without one.</summary>
    public static string? Find()
    {
        const string Ports = "/sys/class/virtio-ports";
        if (!Directory.Exists(Ports))
            return null;
        foreach (var port in Directory.EnumerateDirectories(Ports))
        {
            var name = Path.Combine(port, "name");
            if (File.Exists(name) && File.ReadAllText(name).Trim() == "mitos.agent")
                return "/dev/" + Path.GetFileName(port);
        }
        return null;
    }
}
