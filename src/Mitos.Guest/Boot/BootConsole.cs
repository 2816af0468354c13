using System.Text;
using Mitos.Guest.Native;

namespace Mitos.Guest.Boot;

/// <summary>Lines for the machine's console, which <c>mitos logs</c> shows.</summary>
internal static unsafe class BootConsole
{
    /// <summary>Says something; on standard error when this is not process 1.</summary>
    public static void Say(string text)
    {
        var fd = Environment.ProcessId == 1 ? Libc.Open("/dev/console", 1 | 0x100 | 0x80000, 0) : 2;
        if (fd < 0)
            return;
        var bytes = Encoding.UTF8.GetBytes("mitos: " + text + "\n");
        fixed (byte* data = bytes)
            _ = Libc.Write(fd, data, (nuint)bytes.Length);
        if (fd != 2)
            _ = Libc.Close(fd);
    }
}
