using System.Globalization;
using System.Text.Json.Nodes;

namespace Mitos.Bench;

/// <summary>Makes README's table of a file that a run wrote.</summary>
internal static class Table
{
    private const string Begin = "<!-- measured:begin -->", End = "<!-- measured:end -->";

    public static void Write(string readme, JsonNode run)
    {
        var text = File.ReadAllText(readme);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin)
            throw new InvalidOperationException($"{readme} has no lines {Begin} and {End}.");
        File.WriteAllText(readme, text[..(begin + Begin.Length)] + "\n" + Make(run) + text[end..]);
    }

    private static string Make(JsonNode run)
    {
        var (figures, host) = (run["figures"]!, run["host"]!);
        var rows = new List<(string What, string P50, string P99)>
        {
            Row("source paused by a fork, idle", "ms", 1000, figures["pauseUs"]),
            Row("… with 8 MiB of delta", "ms", 1000, figures["pauseUsByDeltaMiB"]?["8"]),
            Row("… with 64 MiB of delta", "ms", 1000, figures["pauseUsByDeltaMiB"]?["64"]),
            Row("… 8 MiB of delta, 256 MiB of memory", "ms", 1000, figures["pauseUsByRamMiB"]?["256"]),
            Row("… 8 MiB of delta, 4 GiB of memory", "ms", 1000, figures["pauseUsByRamMiB"]?["4096"]),
            Row("one child ready", "ms", 1, figures["childReadyMs"]?["1"]),
            Row("8 children ready", "ms", 1, figures["childReadyMs"]?["8"]),
            Row("32 children ready", "ms", 1, figures["childReadyMs"]?["32"]),
            Row("fork to first command", "ms", 1, figures["naive"]?["forkToFirstCommandMs"]),
            Row("… naive: full snapshot and restore", "ms", 1, figures["naive"]?["firstCommandMs"]),
            Row("… cold boot", "ms", 1, figures["coldBootMs"]),
            Row("create from the template", "ms", 1, figures["createMs"]),
            Row("run /bin/true in a sandbox that has run it before", "ms", 1, figures["execRoundTripMs"]),
            Row("… of which the guest's own spawn of it", "ms", 1, figures["spawnInsideGuestMs"]),
            Row("private memory of an idle child", "MiB", 1, figures["privateMiB"]),
            Row("VMM memory of an idle child", "MiB", 1, figures["vmmMiB"]),
        };
        var idle = figures["idleForks"];
        var lines = rows.Select(row => $"| {row.What} | {row.P50} | {row.P99} |");
        return $"""
            | | p50 | p99 |
            |---|---|---|
            {string.Join('\n', lines)}

            {idle?["count"]} idle forks at once took {idle?["hostMemoryMiB"]} MiB of the host's memory and {(double?)idle?["cpuPercentOfACoreEach"]:F2} % of a core each. Longest stall that a 1 kHz clock in the source saw while it was forked: {Number(figures["maxGapMs"]?["p50"], 1)} ms ({Number(figures["maxGapWithoutForksMs"]?["p50"], 1)} ms without forks).
            Measured {run["date"]} at revision {run["revision"]} on {host["cpuCount"]} x {host["cpuModel"]}, {host["memoryMiB"]} MiB, Linux {host["kernel"]}, {host["vmm"]}, guest of 512 MiB; `mitos bench fork`, raw samples in `{run["file"]}`.

            """;
    }

    private static (string, string, string) Row(string what, string unit, double divisor, JsonNode? figure) =>
        (what, $"{Number(figure?["p50"], divisor)} {unit}", $"{Number(figure?["p99"], divisor)} {unit}");

    private static string Number(JsonNode? value, double divisor) =>
        value is null ? "-" : ((double)value / divisor).ToString((double)value / divisor >= 100 ? "F0" : "F1", CultureInfo.InvariantCulture);
}
