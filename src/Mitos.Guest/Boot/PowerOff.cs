using Mitos.Guest.Native;
using Mitos.Guest.Processes;

namespace Mitos.Guest.Boot;

/// <summary>Ends the machine.</summary>
internal static class PowerOff
{
    /// <param name="processes">What an agent that is not process 1 has started, and ends; null: none.</param>
    public static void Now(ProcessTable? processes = null)
    {
        if (Environment.ProcessId != 1)
        {
            foreach (var process in processes?.Running ?? [])
                _ = Libc.Kill(-process.Pid, 9);
            Environment.Exit(0);
        }
        _ = Libc.Kill(-1, 9);
        Libc.Sync();
        _ = Libc.Mount(null, "/", null, 32 | 1 /* MS_REMOUNT | MS_RDONLY */, null);
        // microvm without power management ends by a reset: QEMU runs with -no-reboot
        _ = Libc.Reboot(0x01234567);
    }
}
