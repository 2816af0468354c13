using System.Runtime.InteropServices;

namespace Mitos.Cli.Terminal;

/// <summary>
/// Writes bytes to descriptors 1 and 2 as they come. Console's streams hide that nobody reads any more, and file streams keep a position
/// of their own, so that two of them on one file overwrite each other.
/// </summary>
internal static partial class StandardOutput
{
    private const int Interrupted = 4, TryAgain = 11, BrokenPipe = 32; // Linux

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
                    Thread.Sleep(5); // somebody made it non-blocking
                    break;
                case BrokenPipe:
                    return false;
                case var error:
                    throw new IOException($"Standard {(descriptor == 1 ? "output" : "error")} cannot be written: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
        return true;
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nuint count);
}
