using System.Runtime.InteropServices;

namespace Mitos.Cli.Terminal;

/// <summary>
/// Writes bytes to standard output or error (write(2)). .NET's console streams hide that nobody reads any more, and a FileStream
/// keeps an offset of its own, which is wrong where both outputs go to one file.
/// </summary>
internal static partial class StandardOutput
{
    private const int Eintr = 4, Eagain = 11;
    private const short PollOut = 4;

    /// <exception cref="IOException">Its HResult is the errno: EPIPE when the reader has gone.</exception>
    public static void Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var written = Write(descriptor, bytes, (nuint)bytes.Length);
            if (written >= 0)
            {
                bytes = bytes[(int)written..];
                continue;
            }
            var errno = Marshal.GetLastPInvokeError();
            if (errno == Eagain)
                _ = Poll([new PollDescriptor(descriptor, PollOut)], 1, -1);
            else if (errno != Eintr)
                throw new IOException($"The output cannot be written: {Marshal.GetPInvokeErrorMessage(errno)}.", errno);
        }
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int fd, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor[] descriptors, nuint count, int timeout);

    private record struct PollDescriptor(int Descriptor, short Events, short Returned = 0);
}
