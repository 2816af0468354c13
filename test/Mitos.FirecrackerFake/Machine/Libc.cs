using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mitos.FirecrackerFake.Machine;

internal static unsafe partial class Libc
{
    public const int Read = 1, Write = 2, Private = 2, Anonymous = 0x20, NoReserve = 0x4000;
    private const int ReadWrite = 2, Create = 0x40, CloseOnExec = 0x80000;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial byte* Map(void* address, nuint length, int protection, int flags, int descriptor, long offset);

    /// <summary>Opens a file as Firecracker does: without a lock, which .NET would take, and with the kernel's own error.</summary>
    /// <exception cref="IOException">Its HResult is the error's number; <see cref="Words(Exception)"/> tells it.</exception>
    public static SafeFileHandle Open(string path, bool write, bool create = false)
    {
        var descriptor = Open(path, (write ? ReadWrite : 0) | (create ? Create : 0) | CloseOnExec, 0x1A4 /* 0644 */);
        if (descriptor >= 0)
            return new SafeFileHandle(descriptor, ownsHandle: true);
        var errno = Marshal.GetLastPInvokeError();
        throw new IOException(Words(errno), errno);
    }

    /// <summary>Opens a tap, in our network namespace, as Firecracker does.</summary>
    /// <exception cref="IOException">In its words.</exception>
    public static SafeFileHandle OpenTap(string name)
    {
        const int RequestBytes = 40, NameBytes = 16, SetInterface = 0x400454CA; // struct ifreq, IFNAMSIZ, TUNSETIFF
        const short Flags = 0x5002; // IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        var tap = Open("/dev/net/tun", write: true);
        var request = stackalloc byte[RequestBytes];
        new Span<byte>(request, RequestBytes).Clear();
        System.Text.Encoding.ASCII.GetBytes(name, new Span<byte>(request, NameBytes - 1));
        *(short*)(request + NameBytes) = Flags;
        if (Ioctl(tap, SetInterface, request) == 0)
            return tap;
        var words = Words(Marshal.GetLastPInvokeError());
        tap.Dispose();
        throw new IOException($"Open tap device failed: Error while creating ifreq structure: {words}. Invalid TUN/TAP Backend provided by {name}. Check our documentation on setting up the network devices.");
    }

    /// <summary>The kernel's words for an error, as Rust prints them.</summary>
    public static string Words(int errno) => $"{Marshal.GetPInvokeErrorMessage(errno)} (os error {errno})";

    /// <summary>The same of what was thrown at a file.</summary>
    public static string Words(Exception e) => e.HResult > 0 ? Words(e.HResult) : e.Message;

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);
}
