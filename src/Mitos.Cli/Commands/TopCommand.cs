using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>top: what each sandbox uses, again and again.</summary>
internal static class TopCommand
{
    public static Command Make()
    {
        var interval = new Option<double>("--interval") { Description = "Seconds between looks, 0.2 to 3600", DefaultValueFactory = _ => 2 };
        var once = new Option<bool>("--once") { Description = "Look once; shares of the processor are those since each sandbox's birth" };
        return new Command("top", "Show what each sandbox uses, live") { interval, once }.Runs(async (client, result, json, cancellationToken) =>
        {
            var pause = result.GetValue(interval) is >= 0.2 and <= 3600 and var seconds ? TimeSpan.FromSeconds(seconds) : throw new ArgumentException("--interval must be 0.2 to 3600 seconds.");
            var last = new Dictionary<string, (long CpuUs, DateTimeOffset At)>();
            while (true)
            {
                var uses = await LookAsync(client, last, cancellationToken);
                if (!json && !Console.IsOutputRedirected && !result.GetValue(once))
                    Console.Write("\u001b[H\u001b[2J");
                if (json)
                    Output.Json(uses, CliJson.Default.ListUseBody);
                else
                    Output.Table(["id", "name", "state", "cpu %", "private MiB", "shared MiB", "vmm MiB", "on disk MiB", "guest MiB used", "guest processes"], uses.Select(Row));
                if (result.GetValue(once))
                    return ExitCode.Ok;
                await Task.Delay(pause, cancellationToken);
            }
        });
    }

    private static string[] Row(UseBody use) =>
    [
        use.Id, use.Name ?? "-", use.State, use.Metrics is null ? "-" : FormattableString.Invariant($"{use.CpuPercent:F1}"),
        Output.MiB(use.Metrics?.Memory.PrivateBytes), Output.MiB(use.Metrics?.Memory.SharedBytes), Output.MiB(use.Metrics?.Memory.VmmBytes), Output.MiB(use.SavedBytes),
        Output.MiB(use.Metrics?.Guest is { } guest ? guest.MemoryTotalBytes - guest.MemoryAvailableBytes : null),
        use.Metrics is null ? "-" : use.Metrics.Guest is { } known ? $"{known.Processes}" : "no answer",
    ];

    // All at once: a guest that does not answer takes three seconds.
    private static async Task<List<UseBody>> LookAsync(MitosClient client, Dictionary<string, (long CpuUs, DateTimeOffset At)> last, CancellationToken cancellationToken)
    {
        var shown = (await client.ListAsync(false, cancellationToken)).Where(sandbox => sandbox.State is "running" or "paused").ToList();
        var metrics = await Task.WhenAll(shown.Select(sandbox => sandbox.State == "running" ? TryMeasureAsync(client, sandbox.Id, cancellationToken) : Task.FromResult<MetricsBody?>(null)));
        var uses = new List<UseBody>();
        foreach (var (sandbox, measured) in shown.Zip(metrics))
        {
            if (measured is null)
            {
                last.Remove(sandbox.Id); // the machine of one that is resumed counts anew
                if (sandbox.State == "paused")
                    uses.Add(new UseBody(sandbox.Id, sandbox.Name, sandbox.State, 0, null, sandbox.SavedBytes));
                continue; // else it ended since it was listed
            }
            var before = last.GetValueOrDefault(sandbox.Id, (0, sandbox.CreatedAt));
            var now = DateTimeOffset.UtcNow;
            last[sandbox.Id] = (measured.VmmCpuUs, now);
            var percent = Math.Max(0, (measured.VmmCpuUs - before.CpuUs) / Math.Max(1, (now - before.At).TotalMicroseconds) * 100);
            uses.Add(new UseBody(sandbox.Id, sandbox.Name, sandbox.State, Math.Round(percent, 1), measured, null));
        }
        return uses;
    }

    private static async Task<MetricsBody?> TryMeasureAsync(MitosClient client, string id, CancellationToken cancellationToken)
    {
        try
        {
            return await client.GetMetricsAsync(id, cancellationToken);
        }
        catch (MitosException)
        {
            return null;
        }
    }
}
