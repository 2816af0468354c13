using System.Runtime.InteropServices;
using Mitos.Contracts;

namespace Mitos.Cli.Terminal;

/// <summary>Puts the terminal of this program into raw mode while a program in a sandbox has one of its own (termios(3)).</summary>
internal sealed partial class RawTerminal : IDisposable
{
    private readonly byte[]? _saved;

    public RawTerminal()
    {
        if (Console.IsInputRedirected)
            return;
        var state = new byte[128]; // struct termios has 60 bytes
        if (TcGetAttr(0, state) != 0)
            return;
        _saved = (byte[])state.Clone();
        CfMakeRaw(state);
        _ = TcSetAttr(0, 0, state);
    }

    public void Dispose()
    {
        if (_saved is not null)
            _ = TcSetAttr(0, 0, _saved);
    }

    /// <summary>Size of the terminal, whichever descriptor it is at; 24 rows of 80 when there is none.</summary>
    public static TerminalBody Size()
    {
        var size = new ushort[4]; // struct winsize
        for (var descriptor = 0; descriptor <= 2; descriptor++)
        {
            if (Ioctl(descriptor, 0x5413 /* TIOCGWINSZ */, size) == 0 && size[0] > 0 && size[1] > 0)
                return new TerminalBody(size[0], size[1]);
        }
        return new TerminalBody(24, 80);
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int TcGetAttr(int fd, byte[] state);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int TcSetAttr(int fd, int when, byte[] state);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void CfMakeRaw(byte[] state);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int Ioctl(int fd, nuint request, ushort[] size);
}
