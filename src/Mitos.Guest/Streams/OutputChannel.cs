using Mitos.Guest.Loop;
using Mitos.Guest.Native;

namespace Mitos.Guest.Streams;

/// <summary>A descriptor that is read into a ring: a pipe, a terminal or a socket. Owns the descriptor.</summary>
internal sealed unsafe class OutputChannel
{
    private static readonly byte[] Scratch = new byte[16 << 10];
    private readonly EventLoop _loop;
    private readonly Action _changed;
    private int _fd;
    private bool _watched;
    private bool _discarding;

    /// <param name="loop">Waits for it.</param>
    /// <param name="fd">Non-blocking.</param>
    /// <param name="changed">More bytes are here, or no more will come.</param>
    public OutputChannel(EventLoop loop, int fd, Action changed)
    {
        (_loop, _fd, _changed) = (loop, fd, changed);
        Watch();
    }

    public OutputRing Ring { get; } = new();

    /// <summary>No byte is overwritten before it was acknowledged: a full ring stops the reading.</summary>
    public bool Guarded { get; set; }

    /// <summary>No more bytes will come.</summary>
    public bool Ended { get; private set; }

    /// <summary>What ended it, when not the other side's regular close; 0: that.</summary>
    public int Errno { get; private set; }

    /// <summary>Not read, for want of room.</summary>
    public bool IsPaused => !Ended && !_watched;

    /// <summary>When the last bytes came.</summary>
    public long LastReadMs { get; private set; } = Environment.TickCount64;

    /// <summary>The descriptor, for calls about it; -1 after the end.</summary>
    public int Descriptor => _fd;

    /// <summary>Bytes that wait in the kernel now.</summary>
    public int Waiting
    {
        get
        {
            var count = 0;
            return _fd >= 0 && Libc.Ioctl(_fd, 0x541B /* FIONREAD */, &count) == 0 ? count : 0;
        }
    }

    /// <summary>Goes on reading when there is room for a good piece again.</summary>
    public void Resume()
    {
        if (IsPaused && (!Guarded || Ring.Room >= OutputRing.Capacity / 4))
            Watch();
    }

    /// <summary>
    /// Nobody will want more. What comes is read and dropped until the last writer is gone: closing the pipe would kill a
    /// process that its parent left running in the background.
    /// </summary>
    public void Discard()
    {
        if (Ended)
            return;
        Ended = _discarding = true;
        Watch();
    }

    public void Close()
    {
        Ended = true;
        if (_fd < 0)
            return;
        _loop.Remove(_fd);
        _ = Libc.Close(_fd);
        _fd = -1;
    }

    private void Watch()
    {
        if (_watched || _fd < 0)
            return;
        _watched = true;
        _loop.Add(_fd, EventLoop.In, _ => Read());
    }

    private void Read()
    {
        var room = Guarded && !_discarding ? Math.Min(Scratch.Length, Ring.Room) : Scratch.Length;
        if (room == 0)
        {
            _watched = false;
            _loop.Remove(_fd);
            return;
        }
        nint got;
        fixed (byte* data = Scratch)
            got = Libc.Read(_fd, data, (nuint)room);
        if (got < 0 && Libc.LastError is (Native.Errno.EAGAIN or Native.Errno.EINTR))
            return;
        if (got <= 0)
        {
            Errno = got < 0 && Libc.LastError != Native.Errno.EIO ? Libc.LastError : 0; // a terminal says EIO when its last process is gone
            Close();
        }
        else if (!_discarding)
        {
            Ring.Append(Scratch.AsSpan(0, (int)got));
            LastReadMs = Environment.TickCount64;
        }
        if (!_discarding)
            _changed();
    }
}
