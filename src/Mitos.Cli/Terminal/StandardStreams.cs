using System.Runtime.InteropServices;

namespace Mitos.Cli.Terminal;

/// <summary>
/// Bytes of descriptors 0, 1 and 2 as they come (read(2), write(2)). .NET's console streams edit and echo lines where input is a
/// terminal and hide that nobody reads the output any more; file streams keep a position of their own, so that two of them on one
/// file overwrite each other.
/// </summary>
internal static partial class StandardStreams
{
    private const int Interrupted = 4, TryAgain = 11, BrokenPipe = 32; // Linux
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
            var error = Marshal.GetLastPInvokeError();
            if (error == TryAgain)
                Wait(0, PollIn); // somebody made it non-blocking
            else if (error != Interrupted)
                return 0; // a terminal that is gone is an end too
        }
    }

    /// <returns>False when the reader has gone.</returns>
    /// <exception cref="IOException">It cannot be written: a full disk.</exception>
    public static bool TryWrite(int descriptor, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var written = Write(descriptor, bytes, (nuint)bytes.Length);
            if (written >= 0)
            {
                bytes = bytes[(int)written..];
                continue;
            }
            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    break;
                case TryAgain:
                    Wait(descriptor, PollOut);
                    break;
                case BrokenPipe:
                    return false;
                case var error:
                    throw new IOException($"Standard {(descriptor == 1 ? "output" : "error")} cannot be written: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
        return true;
    }

    private static void Wait(int descriptor, short events) => _ = Poll([new PollDescriptor(descriptor, events)], 1, -1);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int descriptor, Span<byte> buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor[] descriptors, nuint count, int timeout);

    private record struct PollDescriptor(int Descriptor, short Events, short Returned = 0);
}
