using System.Runtime.InteropServices;

namespace Mitos.Cli.Terminal;

/// <summary>
/// Bytes of standard input, output and error (read(2), write(2)). .NET's console streams edit and echo lines where input is a
/// terminal, and hide that nobody reads the output any more; a FileStream keeps an offset of its own, which is wrong where both
/// outputs go to one file.
/// </summary>
internal static partial class StandardStreams
{
    private const int Eintr = 4, Eagain = 11;
    private const short PollIn = 1, PollOut = 4;

    /// <summary>Waits for input.</summary>
    /// <returns>Bytes read; 0 at its end.</returns>
    public static int Read(Span<byte> buffer)
    {
        while (true)
        {
            var got = Read(0, buffer, (nuint)buffer.Length);
            if (got >= 0)
                return (int)got;
            var errno = Marshal.GetLastPInvokeError();
            if (errno == Eagain)
                _ = Poll([new PollDescriptor(0, PollIn)], 1, -1);
            else if (errno != Eintr)
                return 0; // a terminal that is gone is an end too
        }
    }

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

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int fd, Span<byte> bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor[] descriptors, nuint count, int timeout);

    private record struct PollDescriptor(int Descriptor, short Events, short Returned = 0);
}
