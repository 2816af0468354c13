using Mitos.Guest.Native;

namespace Mitos.Guest.Boot;

/// <summary>Ends the machine.</summary>
internal static class PowerOff
{
    public static void Now()
    {
        if (Environment.ProcessId != 1)
            Environment.Exit(0); // an agent that runs as an ordinary process, in a test
        _ = Libc.Kill(-1, 9);
        Libc.Sync();
        _ = Libc.Mount(null, "/", null, 32 | 1 /* MS_REMOUNT | MS_RDONLY */, null);
        // microvm without power management ends by a reset: QEMU runs with -no-reboot
        _ = Libc.Reboot(0x01234567);
    }
}
