using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;

namespace Mitos.Cli.Commands;

/// <summary>top: what each sandbox uses, again and again.</summary>
internal static class TopCommand
{
    public static Command Make()
    {
        var interval = new Option<double>("--interval") { Description = "Seconds between looks", DefaultValueFactory = _ => 2 };
        var once = new Option<bool>("--once") { Description = "Look once" };
        return new Command("top", "Show what each sandbox uses, live") { interval, once }.Runs(async (client, result, _, cancellationToken) =>
        {
            var pause = TimeSpan.FromSeconds(Math.Clamp(result.GetValue(interval), 0.2, 3600));
            var last = new Dictionary<string, (long CpuUs, DateTime At)>();
            while (true)
            {
                var rows = await LookAsync(client, last, cancellationToken);
                if (!Console.IsOutputRedirected && !result.GetValue(once))
                    Console.Write("\u001b[H\u001b[2J");
                Output.Table(["id", "name", "cpu %", "private MiB", "shared MiB", "vmm MiB", "guest processes"], rows);
                if (result.GetValue(once))
                    return ExitCode.Ok;
                await Task.Delay(pause, cancellationToken);
            }
        });
    }

    private static async Task<List<string[]>> LookAsync(MitosClient client, Dictionary<string, (long CpuUs, DateTime At)> last, CancellationToken cancellationToken)
    {
        var rows = new List<string[]>();
        foreach (var sandbox in (await client.ListAsync(false, cancellationToken)).Where(sandbox => sandbox.State == "running"))
        {
            try
            {
                var metrics = await client.GetMetricsAsync(sandbox.Id, cancellationToken);
                var now = DateTime.UtcNow;
                var cpu = last.TryGetValue(sandbox.Id, out var before) ? (metrics.VmmCpuUs - before.CpuUs) / (now - before.At).TotalMicroseconds * 100 : 0;
                last[sandbox.Id] = (metrics.VmmCpuUs, now);
                rows.Add([sandbox.Id, sandbox.Name ?? "-", FormattableString.Invariant($"{cpu:F1}"), Output.MiB(metrics.Memory.PrivateBytes), Output.MiB(metrics.Memory.SharedBytes),
                    Output.MiB(metrics.Memory.VmmBytes), $"{metrics.Guest?.Processes}"]);
            }
            catch (MitosException)
            {
                // it ended since it was listed
            }
        }
        return rows;
    }
}
