using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mitos.Cli.Processes;

/// <summary>A program that runs in the foreground for this one: what ends this one ends it, and is waited for.</summary>
internal static partial class Child
{
    private const int Terminate = 15;

    /// <returns>Its exit code.</returns>
    public static async Task<int> RunAsync(string program, IEnumerable<string> arguments, Func<Process, Task>? started = null)
    {
        using var child = Process.Start(new ProcessStartInfo(program, arguments))!;
        PosixSignal[] signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        var registrations = signals.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            AskToEnd(child.Id);
        })).ToList();
        try
        {
            try
            {
                if (started is not null)
                    await started(child);
            }
            catch (OperationCanceledException)
            {
                // a signal: the program got it too, and its end is what counts
            }
            await child.WaitForExitAsync();
            return child.ExitCode;
        }
        finally
        {
            registrations.ForEach(registration => registration.Dispose());
        }
    }

    /// <summary>Asks a process to end; one that has ended is as well.</summary>
    public static void AskToEnd(int pid) => _ = SendSignal(pid, Terminate);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);
}
