using System.Buffers.Binary;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Ports;

/// <summary>Connects to a port of the guest's own addresses without waiting for it on the loop's thread.</summary>
internal static unsafe class PortConnector
{
    private const int TimeoutMs = 10_000;
    private const ushort Inet = 2, Inet6 = 10;

    /// <param name="loop">Waits for the connection.</param>
    /// <param name="port">1 to 65535.</param>
    /// <param name="done">Gets the connected, non-blocking socket; or -1 and what went wrong.</param>
    public static void Connect(EventLoop loop, int port, Action<int, AgentError?> done) =>
        Connect(loop, Inet, port, (socket, error) =>
        {
            if (error is { Errno: Errno.ECONNREFUSED })
                Connect(loop, Inet6, port, (second, _) => done(second, second >= 0 ? null : error));
            else
                done(socket, error);
        });

    private static void Connect(EventLoop loop, ushort family, int port, Action<int, AgentError?> done)
    {
        var socket = Libc.Socket(family, 1 | 0x80000 | 0x800, 0);
        if (socket < 0)
        {
            done(-1, Refused(Libc.LastError, port));
            return;
        }
        var one = 1;
        _ = Libc.Setsockopt(socket, 6 /* IPPROTO_TCP */, 1 /* TCP_NODELAY */, &one, 4);
        var address = stackalloc byte[28]; // sockaddr_in6, the longer one
        new Span<byte>(address, 28).Clear();
        *(ushort*)address = family;
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(address + 2, 2), (ushort)port);
        if (family == Inet)
            (address[4], address[7]) = (127, 1);
        else
            address[23] = 1;
        if (Libc.Connect(socket, address, family == Inet ? 16u : 28u) == 0)
            done(socket, null);
        else if (Libc.LastError == Errno.EINPROGRESS)
            Await(loop, socket, port, done);
        else
            Fail(socket, Libc.LastError, port, done);
    }

    private static void Await(EventLoop loop, int socket, int port, Action<int, AgentError?> done)
    {
        LoopTimer? limit = null;
        void Finish(int errno)
        {
            limit?.Cancel();
            loop.Remove(socket);
            if (errno == 0)
                done(socket, null);
            else
                Fail(socket, errno, port, done);
        }
        limit = loop.After(TimeoutMs, () => Finish(110 /* ETIMEDOUT */));
        loop.Add(socket, EventLoop.Out, events =>
        {
            int errno;
            var length = (uint)sizeof(int);
            _ = Libc.Getsockopt(socket, 1 /* SOL_SOCKET */, 4 /* SO_ERROR */, &errno, &length);
            Finish(errno);
        });
    }

    private static void Fail(int socket, int errno, int port, Action<int, AgentError?> done)
    {
        _ = Libc.Close(socket);
        done(-1, Refused(errno, port));
    }

    private static AgentError Refused(int errno, int port) => errno == Errno.ECONNREFUSED
        ? new AgentError(AgentErrorCode.FailedPrecondition, $"Nothing listens on port {port} in the guest; start a server there first", errno)
        : AgentError.From(errno, $"port {port} in the guest");
}
