using System.Diagnostics;

namespace Mitos.Server.Tests;

/// <summary>What a test does to a machine's process.</summary>
internal static class Vmm
{
    public const int Interrupt = 2, Stop = 19, Continue = 18, Kill = 9;

    public static void Signal(int pid, int signal)
    {
        using var kill = Process.Start("/bin/kill", [$"-{signal}", $"{pid}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }
}
