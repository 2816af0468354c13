using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using Mitos.Linux.Files;
using Mitos.Linux.Processes;
using static Mitos.Linux.Abi.LinuxIfTun;

namespace Mitos.Linux.Networks;

/// <summary>Cards of the host whose other end is a process's (tun(4)): each has one process at a time.</summary>
public static unsafe class TapDevice
{
    private const string Control = "/dev/net/tun";
    private const int NameBytes = 16, RequestBytes = 40; // struct ifreq

    /// <summary>Makes one that stays when nobody has it open.</summary>
    /// <param name="network">The network namespace that it is made in; see <see cref="NetworkNamespace"/>.</param>
    /// <param name="name">At most 15 bytes.</param>
    /// <param name="userId">Whose processes may open it.</param>
    /// <exception cref="LinuxException">EBUSY: somebody has one of that name open.</exception>
    public static void Create(SafeFileHandle network, string name, int userId) => NetworkNamespace.Run(network, () =>
    {
        using var tap = Open(name);
        if (Libc.Ioctl(tap, TUNSETOWNER, userId) != 0 || Libc.Ioctl(tap, TUNSETPERSIST, 1) != 0)
            throw LinuxException.FromLastError("ioctl", name);
        return true;
    });

    /// <summary>Opens the other end of one that is there, without headers for offloading.</summary>
    /// <exception cref="LinuxException">ENODEV: there is none of that name. EBUSY: another process has it.</exception>
    public static SafeFileHandle Attach(SafeFileHandle network, string name) => NetworkNamespace.Run(network, () =>
        // without one of that name the kernel would make it
        Libc.IfNametoindex(name) != 0 ? Open(name) : throw LinuxException.FromLastError("if_nametoindex", name));

    private static SafeFileHandle Open(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(bytes.Length, NameBytes, nameof(name));
        var tap = FileDescriptors.OpenReadWrite(Control);
        var request = stackalloc byte[RequestBytes];
        new Span<byte>(request, RequestBytes).Clear();
        bytes.CopyTo(new Span<byte>(request, NameBytes));
        *(short*)(request + NameBytes) = IFF_TAP | IFF_NO_PI;
        if (Libc.Ioctl(tap, TUNSETIFF, request) == 0)
            return tap;
        var error = LinuxException.FromLastError("ioctl(TUNSETIFF)", name);
        tap.Dispose();
        throw error;
    }
}
