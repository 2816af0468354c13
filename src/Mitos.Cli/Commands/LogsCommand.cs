using System.CommandLine;
using System.Text;
using Mitos.Cli.Terminal;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>logs: the console of a sandbox.</summary>
internal static class LogsCommand
{
    private const int MaxBytes = 1 << 20, Overlap = 4096;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    public static Command Make()
    {
        var id = Arguments.Sandbox();
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on as more comes, until the sandbox stops" };
        return new Command("logs", "Show the console of a sandbox: its kernel's and its agent's words") { id, follow }.Runs(async (client, result, json, cancellationToken) =>
        {
            var name = result.GetRequiredValue(id);
            using var output = Console.OpenStandardOutput();
            byte[] shown = [];
            var told = json;
            while (true)
            {
                var stopped = result.GetValue(follow) && (await client.GetAsync(name, cancellationToken)).State == "stopped";
                var bytes = await client.GetConsoleAsync(name, MaxBytes, cancellationToken);
                var news = News(shown, bytes);
                if (!json)
                    output.Write(news.Span);
                else if (!news.IsEmpty || !result.GetValue(follow))
                    Output.Json(new ConsoleBody(name, Encoding.UTF8.GetString(news.Span)), CliJson.Default.ConsoleBody);
                if (bytes.Length == 0 && !told)
                    Output.Note($"nothing is on the console of {name}{(result.GetValue(follow) ? " yet" : "")}: a guest that is well says nothing there. What commands print is their own: `mitos exec`; what runs: `mitos exec {name} -- ps ax`; what happened to it: `mitos inspect {name}`");
                told = true;
                shown = bytes;
                if (stopped || !result.GetValue(follow))
                    return ExitCode.Ok;
                await Task.Delay(Interval, cancellationToken);
            }
        });
    }

    /// <summary>What of the console was not shown yet: it keeps only its end, so the place of what was shown last is searched.</summary>
    private static ReadOnlyMemory<byte> News(byte[] shown, byte[] now)
    {
        if (shown.Length == 0)
            return now;
        var tail = shown.AsSpan(Math.Max(0, shown.Length - Overlap));
        var at = now.AsSpan().LastIndexOf(tail);
        return at < 0 ? now : now.AsMemory(at + tail.Length);
    }
}
