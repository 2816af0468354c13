using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Boot;

/// <summary>The guest's network by the oldest and smallest interface there is: ioctls on a socket (netdevice(7)).</summary>
internal static unsafe class Network
{
    private const nuint SetFlags = 0x8914, SetAddress = 0x8916, SetMask = 0x891C, AddRoute = 0x890B;
    private const short UpRunning = 1 | 0x40;

    /// <param name="mode"><c>slirp</c>: the addresses of QEMU's user-mode network; <c>off</c>: the card is down.</param>
    /// <exception cref="AgentError">InvalidArgument, or what the kernel refused.</exception>
    public static void Configure(string mode)
    {
        switch (mode)
        {
            case "off":
                if (Directory.Exists("/sys/class/net/eth0"))
                    Flags("eth0", 0);
                break;
            case "slirp":
                Flags("eth0", 0);
                Address("eth0", SetAddress, [10, 0, 2, 15]);
                Address("eth0", SetMask, [255, 255, 255, 0]);
                Up("eth0");
                DefaultRoute([10, 0, 2, 2]);
                if (File.Exists("/etc/resolv.conf"))
                    File.Delete("/etc/resolv.conf");
                File.WriteAllText("/etc/resolv.conf", "nameserver 10.0.2.3\n");
                break;
            default:
                throw AgentError.Invalid($"There is no network mode '{mode}'; slirp and off exist");
        }
    }

    public static void Up(string card) => Flags(card, UpRunning);

    private static void Flags(string card, short flags)
    {
        var request = Request(card);
        *(short*)(&request[16]) = flags;
        Call(SetFlags, request, card);
    }

    private static void Address(string card, nuint call, ReadOnlySpan<byte> address)
    {
        var request = Request(card);
        WriteAddress(request + 16, address);
        Call(call, request, card);
    }

    private static void DefaultRoute(ReadOnlySpan<byte> gateway)
    {
        var route = stackalloc byte[120]; // struct rtentry: pad, dst, gateway, genmask, flags
        new Span<byte>(route, 120).Clear();
        WriteAddress(route + 8, [0, 0, 0, 0]);
        WriteAddress(route + 24, gateway);
        WriteAddress(route + 40, [0, 0, 0, 0]);
        *(ushort*)(route + 56) = 1 | 2; // RTF_UP | RTF_GATEWAY
        Call(AddRoute, route, "the default route");
    }

    private static void WriteAddress(byte* target, ReadOnlySpan<byte> address)
    {
        *(ushort*)target = 2; // AF_INET
        address.CopyTo(new Span<byte>(target + 4, 4));
    }

    [ThreadStatic]
    private static byte[]? _request;

    private static byte* Request(string card)
    {
        _request ??= GC.AllocateArray<byte>(40, pinned: true);
        _request.AsSpan().Clear();
        Encoding.ASCII.GetBytes(card, _request);
        return (byte*)global::System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_request, 0);
    }

    private static void Call(nuint request, void* argument, string subject)
    {
        var socket = Libc.Socket(2, 2 | 0x80000, 0);
        var failed = Libc.Ioctl(socket, request, argument) != 0;
        var error = failed ? AgentError.FromLastError($"network: {subject}") : null;
        _ = Libc.Close(socket);
        if (error is not null)
            throw error;
    }
}
