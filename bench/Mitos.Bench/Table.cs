using System.Globalization;
using System.Text.Json.Nodes;

namespace Mitos.Bench;

/// <summary>Makes README's tables of files that runs wrote, each between two lines of its own.</summary>
internal static class Table
{
    public static void Write(string readme, JsonNode run)
    {
        var (name, table) = (string?)run["benchmark"] switch
        {
            "fork" => ("measured", OfForks(run)),
            "serve" => ("served", OfServing(run)),
            "soak" => ("soaked", OfSoak(run)),
            var other => throw new InvalidOperationException($"There is no table for the benchmark '{other}'; there are ones for fork, serve and soak."),
        };
        var (begin, end) = ($"<!-- {name}:begin -->", $"<!-- {name}:end -->");
        var text = File.ReadAllText(readme);
        var (from, to) = (text.IndexOf(begin, StringComparison.Ordinal), text.IndexOf(end, StringComparison.Ordinal));
        if (from < 0 || to < from)
            throw new InvalidOperationException($"{readme} has no lines {begin} and {end}.");
        File.WriteAllText(readme, text[..(from + begin.Length)] + "\n" + table + text[to..]);
    }

    private static string OfServing(JsonNode run)
    {
        var figures = run["figures"]!;
        var children = figures["children"];
        List<(string What, string Count, string P50, string P99)> rows =
        [
            // "Usable" is: the agent in the guest has answered. A first command finds caches cold, and is measured beside it.
            Row("create by `POST /sandboxes`, to its answer: the guest's agent has answered", "ms", 1, figures["createMs"]),
            Row("… first command of a new sandbox, after that", "ms", 1, figures["firstExecMs"]),
            Row("run `sh -c true` by `process.Process/Start`, E2B's route", "ms", 1, figures["execE2BMs"]),
            Row("… by our own route", "ms", 1, figures["execNativeMs"]),
            Row("pause with 64 MiB of delta", "ms", 1, figures["pauseMs64MiB"]),
            Row("resume it", "ms", 1, figures["resumeMs64MiB"]),
            Row($"{children?["count"]} children of one fork call, ready", "ms", 1, children?["forkMs"]),
            Row("… and each has run a command", "ms", 1, children?["usableMs"]),
            Row($"a page of 100 out of {figures["list"]?["paused"]} paused sandboxes", "ms", 1, figures["list"]?["pageOf100Ms"]),
        ];
        return $"""
            {Rows(rows)}

            {figures["concurrentExecs"]?["count"]} commands at once in one sandbox, each of 2 s: all answered after {Number(figures["concurrentExecs"]?["ms"], 1)} ms, {figures["concurrentExecs"]?["errors"]} errors.
            {Targets.OfServing(figures)}
            Measured {Where(run, "mitos bench serve")}

            """;
    }

    private static string OfSoak(JsonNode run)
    {
        var figures = run["figures"]!;
        var (before, after) = (figures["before"]!, figures["after"]!);
        var operations = figures["operations"]!.AsObject().Select(pair => $"{pair.Value?["count"]} {pair.Key}");
        return $"""
            {figures["clients"]} clients did random things for {figures["minutes"]} minutes ({string.Join(", ", operations)}) and checked {figures["answersChecked"]} answers: {figures["wrongAnswers"]} wrong. Afterwards the daemon had {after["descriptors"]} descriptors ({before["descriptors"]} before),
            {after["residentMiB"]} MiB ({before["residentMiB"]} before), {after["machines"]} VMMs ({before["machines"]}, the warm ones, before), {after["layers"]} disk layers ({before["layers"]}) and {after["snapshots"]} snapshots; the run's own bounds for that were {((bool)figures["ok"]! ? "kept" : "not kept")}.
            Run {Where(run, "mitos bench soak")}

            """;
    }

    private static string OfForks(JsonNode run)
    {
        var figures = run["figures"]!;
        var rows = new List<(string What, string Count, string P50, string P99)>
        {
            Row("source paused by a fork, idle", "ms", 1000, figures["pauseUs"]),
            Row($"… with {Delta("pauseUsByDeltaMiB", "8")} MiB of delta", "ms", 1000, figures["pauseUsByDeltaMiB"]?["8"]),
            Row($"… with {Delta("pauseUsByDeltaMiB", "64")} MiB of delta", "ms", 1000, figures["pauseUsByDeltaMiB"]?["64"]),
            Row($"… {Delta("pauseUsByRamMiB", "256")} MiB of delta, 256 MiB of memory", "ms", 1000, figures["pauseUsByRamMiB"]?["256"]),
            Row($"… {Delta("pauseUsByRamMiB", "4096")} MiB of delta, 4 GiB of memory", "ms", 1000, figures["pauseUsByRamMiB"]?["4096"]),
            Row($"… {Number(figures["pauseUsAtWorkingSet"]?["deltaMiB"], 1)} MiB of delta, {Number(figures["pauseUsAtWorkingSet"]?["workingSetMiB"], 1024)} GiB of working set that it shares with its image", "ms", 1000, figures["pauseUsAtWorkingSet"]),
            Row("one child ready", "ms", 1, figures["childReadyMs"]?["1"]),
            Row("8 children ready", "ms", 1, figures["childReadyMs"]?["8"]),
            Row("32 children ready", "ms", 1, figures["childReadyMs"]?["32"]),
            Row("fork to first command", "ms", 1, figures["forkToFirstCommandMs"]),
            Row("cold boot to first command", "ms", 1, figures["coldBootMs"]),
            Row("naive fork to first command: full snapshot, restored", "ms", 1, figures["naive"]?["firstCommandMs"]),
            Row("… ours, in turn with it", "ms", 1, figures["naive"]?["forkToFirstCommandMs"]),
            Row("create from the template", "ms", 1, figures["createMs"]),
            Row("run /bin/true in a sandbox that has run it before", "ms", 1, figures["execRoundTripMs"]),
            Row("… of which the guest's own spawn of it", "ms", 1, figures["spawnInsideGuestMs"]),
            Row("private memory of an idle child", "MiB", 1, figures["privateMiB"]),
            Row("VMM memory of an idle child", "MiB", 1, figures["vmmMiB"]),
        };
        var idle = figures["idleForks"];
        string Delta(string by, string size) => Number(figures[by]?[size]?["deltaMiB"], 1);
        return $"""
            {Rows(rows)}

            {idle?["count"]} idle forks at once took {idle?["hostMemoryMiB"]} MiB of the host's memory (their VMMs say {idle?["vmmMiB"]} MiB of their own and {idle?["privateMiB"]} MiB of guests' pages) and {(double?)idle?["cpuPercentOfACoreEach"]:G2} % of a core each. Longest stall that a 1 kHz clock in the source saw in each of {figures["maxGapMs"]?["count"]} runs while it was forked: {All(figures["maxGapMs"])} ms ({All(figures["maxGapWithoutForksMs"])} ms in runs without forks).
            {Targets.OfForks(figures)}
            Measured {Where(run, "mitos bench fork")}

            """;
    }

    private static string Rows(IEnumerable<(string What, string Count, string P50, string P99)> rows) =>
        "| | samples | p50 | p99, of fewer than 100 samples the largest |\n|---|---|---|---|\n" + string.Join('\n', rows.Select(row => $"| {row.What} | {row.Count} | {row.P50} | {row.P99} |"));

    private static string Where(JsonNode run, string command)
    {
        var host = run["host"]!;
        return $"{run["date"]} at revision {run["revision"]} on {host["cpuCount"]} x {host["cpuModel"]}, {host["memoryMiB"]} MiB, Linux {host["kernel"]}, {host["vmm"]}, guests of 512 MiB; `{command}`, raw figures in `{run["file"]}`.";
    }

    private static (string, string, string, string) Row(string what, string unit, double divisor, JsonNode? figure) =>
        (what, $"{figure?["count"]}", $"{Number(figure?["p50"], divisor)} {unit}", $"{Number(figure?["p99"], divisor)} {unit}");

    private static string All(JsonNode? figure) => string.Join(", ", figure?["samples"]?.AsArray().Select(sample => Number(sample, 1)) ?? []);

    private static string Number(JsonNode? value, double divisor) =>
        value is null ? "-" : ((double)value / divisor).ToString((double)value / divisor >= 100 ? "F0" : "F1", CultureInfo.InvariantCulture);
}
