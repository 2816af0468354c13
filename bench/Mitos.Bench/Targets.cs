using System.Globalization;
using System.Text.Json.Nodes;

namespace Mitos.Bench;

/// <summary>What the project set out to reach with QEMU's TCG on two shared cores, and what of it a run missed.</summary>
internal static class Targets
{
    public static string OfForks(JsonNode figures) => Say(
    [
        AtMost("the pause with 8 MiB of delta", P50(figures["pauseUsByDeltaMiB"]?["8"]) / 1000, 5, "ms"),
        AtMost("the pause with 4 GiB of memory", P50(figures["pauseUsByRamMiB"]?["4096"]) / P50(figures["pauseUsByRamMiB"]?["256"]), 1.5, "times that with 256 MiB"),
        AtMost("the pause at a working set of 4 GiB, p99 of 100", (int?)figures["pauseUsAtWorkingSet"]?["workingSetMiB"] == 4096 ? (double?)figures["pauseUsAtWorkingSet"]?["p99"] / 1000 : null, 50, "ms"),
        AtMost("one child ready", P50(figures["childReadyMs"]?["1"]), 60, "ms"),
        AtMost("32 children ready", P50(figures["childReadyMs"]?["32"]), 4000, "ms"),
        AtMost("private memory of an idle child beside its delta", P50(figures["privateMiB"]) - P50(figures["deltaMiB"]), 2, "MiB"),
        AtMost("VMM memory of an idle child", P50(figures["vmmMiB"]), 18, "MiB"),
        AtMost("a command in a sandbox", P50(figures["execRoundTripMs"]), 3, "ms"),
        AtMost("processor time of an idle fork", (double?)figures["idleForks"]?["cpuPercentOfACoreEach"], 0.3, "% of a core"),
        AtLeast("a fork to its first command", P50(figures["coldBootMs"]) / P50(figures["forkToFirstCommandMs"]), 10, "times as fast as a cold boot"),
        AtLeast("a fork to its first command", P50(figures["naive"]?["firstCommandMs"]) / P50(figures["naive"]?["forkToFirstCommandMs"]), 5, "times as fast as the naive way"),
    ]);

    public static string OfServing(JsonNode figures) => Say(
    [
        AtMost("create", P50(figures["createMs"]), 80, "ms"),
        AtMost("what E2B's route adds to a command", (double?)figures["execE2BAddsMs"], 3, "ms"),
        AtMost("a pause with 64 MiB of delta", P50(figures["pauseMs64MiB"]), 400, "ms"),
        AtMost("its resume", P50(figures["resumeMs64MiB"]), 120, "ms"),
        AtMost("100 children that have run a command", P50(figures["children"]?["usableMs"]), 15_000, "ms"),
        AtMost("errors of 50 commands at once", (double?)figures["concurrentExecs"]?["errors"], 0, "errors"),
        AtMost("a page of 100 paused sandboxes", P50(figures["list"]?["pageOf100Ms"]), 30, "ms"),
    ]);

    private static string Say(Target[] targets)
    {
        var missed = targets.Where(target => !target.Met).Select(target => target.ToString()).ToList();
        return missed.Count == 0
            ? $"All {targets.Length} targets that were set for two shared cores (p50) are met."
            : $"Of {targets.Length} targets that were set for two shared cores (p50), missed: {string.Join("; ", missed)}.";
    }

    private static Target AtMost(string what, double? reached, double bound, string unit) => new(what, reached, bound, unit, reached <= bound, "at most");

    private static Target AtLeast(string what, double? reached, double bound, string unit) => new(what, reached, bound, unit, reached >= bound, "at least");

    private static double? P50(JsonNode? figure) => (double?)figure?["p50"];

    // what a run did not measure is not met
    private sealed record Target(string What, double? Reached, double Bound, string Unit, bool Met, string Side)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{What}, {(Reached is { } reached ? reached.ToString(reached >= 100 ? "F0" : "0.0#", CultureInfo.InvariantCulture) : "not measured")} {Unit} ({Side} {Bound})");
    }
}
