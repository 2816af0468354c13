using System.Diagnostics;
using System.Text.Json;
using Mitos.Cli.Processes;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>doctor --self-test: runs the daemon's program for it, and shows each check as it ends.</summary>
internal static class SelfTest
{
    public static async Task<int> RunAsync(bool json, CancellationToken cancellationToken)
    {
        if (Settings.IsRemote)
            throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, "The self-test tests this host, and MITOS_URL names another.", "Unset MITOS_URL, or run it on that machine."));
        using var test = Process.Start(new ProcessStartInfo(Daemon.Program(), ["--self-test"]) { RedirectStandardOutput = true })!;
        await using var ended = cancellationToken.Register(() => Child.AskToEnd(test.Id));
        var results = new List<SelfTestBody>();
        var next = test.StandardOutput.ReadLineAsync(CancellationToken.None).AsTask();
        while (await Waiting.ShowAsync("testing", next) is { } line)
        {
            next = test.StandardOutput.ReadLineAsync(CancellationToken.None).AsTask();
            var result = JsonSerializer.Deserialize(line, ContractsJson.Default.SelfTestBody)!;
            results.Add(result);
            if (!json)
                Output.Line($"{(result.Passed ? "ok    " : "FAILED")}  {result.Name}: {result.Figure}");
        }
        await test.WaitForExitAsync(CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        if (json)
            Output.Json(results, ContractsJson.Default.ListSelfTestBody);
        else if (results.Count > 0)
            Output.Line(test.ExitCode == 0 ? "This VMM forks safely on this host." : "This VMM does not fork safely on this host: do not use it here.");
        return test.ExitCode == 0 ? ExitCode.Ok : ExitCode.Failed;
    }
}
