using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Poll;
using static Mitos.Linux.Abi.SysSocket;

namespace Mitos.Linux.Sockets;

/// <summary>A blocking unix stream socket with deadlines that can pass descriptors, which System.Net's sockets cannot.</summary>
public sealed unsafe class UnixSocket : IDisposable
{
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
        var address = Address(path, out var length);
        var socket = Create(path);
        try
        {
            if (Libc.Bind(socket.Descriptor, &address, length) != 0 || Libc.Listen(socket.Descriptor, 4) != 0)
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

    /// <exception cref="LinuxException">ENOENT, ECONNREFUSED, or ETIMEDOUT when the listener's queue stays full.</exception>
    public static UnixSocket Connect(string path, Deadline deadline)
    {
        var address = Address(path, out var length);
        var socket = Create(path);
        var left = Math.Max(1, deadline.RemainingMs); // 0 would be for ever
        var limit = new TimeValue { Seconds = left / 1000, Microseconds = left % 1000 * 1000 };
        if (Libc.Setsockopt(socket.Descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, (uint)sizeof(TimeValue)) == 0 && Libc.Connect(socket.Descriptor, &address, length) == 0)
            return socket;
        var error = LinuxException.FromLastError("connect", path);
        if (error.Errno == Errno.EAGAIN)
            error = new LinuxException("connect", Errno.ETIMEDOUT, path);
        socket.Dispose();
        throw error;
    }

    /// <summary>Two connected sockets.</summary>
    public static (UnixSocket A, UnixSocket B) Pair(string subject)
    {
        var pair = stackalloc int[2];
        if (Libc.Socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            throw LinuxException.FromLastError("socketpair", subject);
        return (new UnixSocket(new SafeFileHandle(pair[0], true), subject), new UnixSocket(new SafeFileHandle(pair[1], true), subject));
    }

    /// <summary>Sends all bytes and, with the first, a descriptor.</summary>
    /// <exception cref="LinuxException">The peer is gone, or ETIMEDOUT at the deadline.</exception>
    /// <exception cref="ArgumentException">A descriptor without a byte: it would not be sent.</exception>
    public void Send(ReadOnlySpan<byte> bytes, Deadline deadline, int descriptor = -1)
    {
        if (bytes.IsEmpty && descriptor >= 0)
            throw new ArgumentException("A descriptor goes with at least one byte.", nameof(bytes));
        var control = new DescriptorMessage { Length = DescriptorMessage.UsedBytes, Level = SOL_SOCKET, Type = SCM_RIGHTS, Descriptor = descriptor };
        fixed (byte* data = bytes)
        {
            for (nuint done = 0; done < (nuint)bytes.Length;)
            {
                Await(POLLOUT, "send", deadline);
                var vector = new IoVector { Base = (nuint)data + done, Length = (nuint)bytes.Length - done };
                var message = new MessageHeader { Vectors = &vector, VectorCount = 1 };
                if (descriptor >= 0 && done == 0)
                {
                    message.Control = &control;
                    message.ControlLength = (nuint)sizeof(DescriptorMessage);
                }
                var sent = Libc.Sendmsg(Descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
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
        Await(POLLIN, "receive", deadline);
        fixed (byte* data = buffer)
        {
            var got = Libc.Read(Descriptor, data, (nuint)buffer.Length);
            return got >= 0 ? (int)got : throw LinuxException.FromLastError("read", _subject);
        }
    }

    /// <summary>Tells the peer that nothing more will be sent.</summary>
    public void CloseSending() => _ = Libc.Shutdown(Descriptor, SHUT_WR);

    public void Dispose() => _handle.Dispose();

    private static UnixSocket Create(string path)
    {
        var fd = Libc.Socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return fd >= 0 ? new UnixSocket(new SafeFileHandle(fd, true), path) : throw LinuxException.FromLastError("socket", path);
    }

    private static UnixAddress Address(string path, out uint length)
    {
        var bytes = Encoding.UTF8.GetByteCount(path);
        if (bytes is 0 or >= UnixAddress.PathBytes || path.Contains('\0'))
            throw new ArgumentException($"The socket path '{path}' has {bytes} bytes; 1 to {UnixAddress.PathBytes - 1} are possible, none of them zero. Use a shorter run directory.", nameof(path));
        var address = new UnixAddress { Family = AF_UNIX };
        Encoding.UTF8.GetBytes(path, new Span<byte>(address.Path, UnixAddress.PathBytes));
        length = (uint)(sizeof(ushort) + bytes + 1);
        return address;
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
