using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Mitos.Linux.Sockets;

/// <summary>A blocking unix stream socket with deadlines that can pass descriptors, which System.Net's sockets cannot.</summary>
public sealed unsafe class UnixSocket : IDisposable
{
    private const int AfUnix = 1, Stream = 1, CloseOnExec = 0x80000, NoSignal = 0x4000;
    private readonly SafeFileHandle _handle;
    private readonly string _subject;

    private UnixSocket(SafeFileHandle handle, string subject)
    {
        _handle = handle;
        _subject = subject;
    }

    public int Descriptor => (int)_handle.DangerousGetHandle();

    /// <summary>Binds a listening socket at <paramref name="path"/>, mode 0600, at most 107 bytes.</summary>
    /// <exception cref="LinuxException">EADDRINUSE when the path exists.</exception>
    public static UnixSocket Listen(string path)
    {
        var socket = Create(path);
        var address = stackalloc byte[110];
        try
        {
            if (Libc.Bind(socket.Descriptor, address, Address(path, address)) != 0 || Libc.Listen(socket.Descriptor, 4) != 0)
                throw LinuxException.FromLastError("bind", path);
            System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <exception cref="LinuxException">ENOENT, ECONNREFUSED.</exception>
    public static UnixSocket Connect(string path)
    {
        var socket = Create(path);
        var address = stackalloc byte[110];
        if (Libc.Connect(socket.Descriptor, address, Address(path, address)) == 0)
            return socket;
        var error = LinuxException.FromLastError("connect", path);
        socket.Dispose();
        throw error;
    }

    /// <summary>Two connected sockets.</summary>
    public static (UnixSocket A, UnixSocket B) Pair(string subject)
    {
        var pair = stackalloc int[2];
        if (Libc.Socketpair(AfUnix, Stream | CloseOnExec, 0, pair) != 0)
            throw LinuxException.FromLastError("socketpair", subject);
        return (new UnixSocket(new SafeFileHandle(pair[0], true), subject), new UnixSocket(new SafeFileHandle(pair[1], true), subject));
    }

    /// <summary>Sends all bytes and, with the first, a descriptor.</summary>
    /// <exception cref="LinuxException">The peer is gone, or ETIMEDOUT at the deadline.</exception>
    public void Send(ReadOnlySpan<byte> bytes, Deadline deadline, int descriptor = -1)
    {
        var control = stackalloc ulong[3]; // cmsghdr {length, level, type} and one int
        control[0] = 20;
        control[1] = 1 /* SOL_SOCKET */ | (ulong)1 /* SCM_RIGHTS */ << 32;
        control[2] = (uint)descriptor;
        fixed (byte* data = bytes)
        {
            for (nuint done = 0; done < (nuint)bytes.Length;)
            {
                Await(4 /* POLLOUT */, "send", deadline);
                var vector = new IoVector { Base = (nuint)data + done, Length = (nuint)bytes.Length - done };
                var message = new MessageHeader { Vectors = &vector, VectorCount = 1 };
                if (descriptor >= 0 && done == 0)
                {
                    message.Control = control;
                    message.ControlLength = 24;
                }
                var sent = Libc.Sendmsg(Descriptor, &message, NoSignal | 0x40 /* MSG_DONTWAIT */);
                if (sent >= 0)
                    done += (nuint)sent;
                else if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() is not (Errno.EAGAIN or Errno.EINTR))
                    throw LinuxException.FromLastError("sendmsg", _subject);
            }
        }
    }

    /// <summary>Receives what is there, at least one byte. Returns 0 at the stream's end.</summary>
    /// <exception cref="LinuxException">ETIMEDOUT at the deadline.</exception>
    public int Receive(Span<byte> buffer, Deadline deadline)
    {
        Await(1 /* POLLIN */, "receive", deadline);
        fixed (byte* data = buffer)
        {
            var got = Libc.Read(Descriptor, data, (nuint)buffer.Length);
            return got >= 0 ? (int)got : throw LinuxException.FromLastError("read", _subject);
        }
    }

    /// <summary>Tells the peer that nothing more will be sent.</summary>
    public void CloseSending() => _ = Libc.Shutdown(Descriptor, 1);

    public void Dispose() => _handle.Dispose();

    private static UnixSocket Create(string path)
    {
        var fd = Libc.Socket(AfUnix, Stream | CloseOnExec, 0);
        return fd >= 0 ? new UnixSocket(new SafeFileHandle(fd, true), path) : throw LinuxException.FromLastError("socket", path);
    }

    private static uint Address(string path, byte* address)
    {
        var length = Encoding.UTF8.GetByteCount(path);
        if (length > 107)
            throw new ArgumentException($"The socket path '{path}' has {length} bytes; at most 107 are possible. Use a shorter run directory.", nameof(path));
        *(ushort*)address = AfUnix;
        Encoding.UTF8.GetBytes(path, new Span<byte>(address + 2, 107));
        address[2 + length] = 0;
        return (uint)(3 + length);
    }

    private void Await(short events, string what, Deadline deadline)
    {
        while (true)
        {
            var entry = new PollEntry { Fd = Descriptor, Events = events };
            var ready = Libc.Poll(&entry, 1, deadline.RemainingMs);
            if (ready > 0)
                return;
            if (ready == 0)
                throw new LinuxException(what, Errno.ETIMEDOUT, _subject);
            if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() != Errno.EINTR)
                throw LinuxException.FromLastError("poll", _subject);
        }
    }
}
