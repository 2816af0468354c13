using System.Runtime.InteropServices;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Engine.SelfTest;

namespace Mitos.Server;

/// <summary>--self-test: a line of JSON for each check. One that is told to end takes its machines along.</summary>
internal static class SelfTestTask
{
    /// <returns>The exit code: 0 when all checks passed, 1 when one did not, 130 when it was told to end.</returns>
    public static async Task<int> RunAsync(EngineOptions options)
    {
        using var told = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        try
        {
            return await HostSelfTest.RunAsync(options, Print, told.Token) ? 0 : 1;
        }
        catch (OperationCanceledException)
        {
            return 130;
        }

        void End(PosixSignalContext context)
        {
            context.Cancel = true;
            told.Cancel();
        }
    }

    private static void Print(SelfTestResult result) =>
        Console.WriteLine(JsonSerializer.Serialize(new SelfTestBody(result.Name, result.Passed, result.Figure), ContractsJson.Default.SelfTestBody));
}
