using System.Runtime.InteropServices;

namespace Mitos.FirecrackerFake.Machine;

internal static unsafe partial class Libc
{
    public const int Read = 1, Write = 2, Private = 2, Anonymous = 0x20, NoReserve = 0x4000;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial byte* Map(void* address, nuint length, int protection, int flags, int descriptor, long offset);

    /// <summary>The kernel's words for an error, as Rust prints them.</summary>
    public static string Words(int errno) => $"{Marshal.GetPInvokeErrorMessage(errno)} (os error {errno})";

    /// <summary>The same for what .NET throws at a file.</summary>
    public static string Words(Exception e) => e switch
    {
        FileNotFoundException or System.IO.DirectoryNotFoundException => Words(2),
        UnauthorizedAccessException => Words(13),
        _ when e.HResult > 0 => Words(e.HResult),
        _ => e.Message,
    };
}
