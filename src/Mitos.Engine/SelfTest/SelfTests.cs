using System.Globalization;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.Machines;
using Mitos.Probe;

namespace Mitos.Engine.SelfTest;

/// <summary>
/// What every driver must hold, on this host and with this binary, each with the figure that it saw. The conformance suite and
/// <c>mitos doctor --self-test</c> are these same checks.
/// </summary>
public static class SelfTests
{
    /// <summary>Memory that the host commands, above the probe itself: where, and how much, in bytes.</summary>
    internal const ulong At = 16 << 20, Length = 64 << 20;

    /// <summary>A guest that does not come to itself again answers nothing: a check that waits for it has failed.</summary>
    private static readonly TimeSpan CheckLimit = TimeSpan.FromMinutes(5);

    /// <summary>The shape of the machines: small, but for the check that needs a large one.</summary>
    public static readonly MachineShape Shape = new(1, 128, 64);

    /// <summary>The checks by name. Each throws <see cref="SelfTestException"/>, or returns its figure.</summary>
    public static IReadOnlyDictionary<string, Func<ProbeRig, SelfTestSize, CancellationToken, Task<string>>> All { get; } =
        new Dictionary<string, Func<ProbeRig, SelfTestSize, CancellationToken, Task<string>>>
        {
            ["a child has its source's memory, byte for byte"] = MemoryChecks.ExactAsync,
            ["a capture holds what was changed, and nothing else"] = MemoryChecks.DeltaAsync,
            ["memory and registers of a child are of one instant"] = MemoryChecks.SkewAsync,
            ["forks of forks keep what each ancestor wrote"] = LineageChecks.DepthAsync,
            ["children of one instant are apart"] = LineageChecks.ManyAsync,
            ["disks are frozen with memory, and apart afterwards"] = LineageChecks.DiskAsync,
            ["a fork costs its delta"] = CostChecks.ForkAsync,
            ["a process that is killed or stands still is an error, and nothing is left of it"] = FaultChecks.KilledAndStalledAsync,
            ["a state that is damaged is refused, and its source goes on"] = FaultChecks.DamagedStateAsync,
        };

    /// <summary>Runs all, one after the other, on machines of their own.</summary>
    /// <param name="vmm">What to test.</param>
    /// <param name="options">Directories of its own, which are removed.</param>
    /// <param name="size">How much.</param>
    /// <param name="report">Gets each result as it comes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether all passed.</returns>
    public static async Task<bool> RunAsync(
        VmmCandidate vmm, EngineOptions options, SelfTestSize size, Action<SelfTestResult> report, CancellationToken cancellationToken)
    {
        const string Boots = "the VMM boots a guest and saves it";
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var rig = await TryAsync(Boots, token => ProbeRig.StartAsync(vmm, options, Shape, token), report, cancellationToken);
        if (rig is null)
            return false;
        await using var ended = rig;
        report(new SelfTestResult(Boots, true, Ms(System.Diagnostics.Stopwatch.GetElapsedTime(started))));
        var passed = true;
        foreach (var (name, check) in All)
        {
            var figure = await TryAsync(name, token => check(rig, size, token), report, cancellationToken);
            passed &= figure is not null;
            if (figure is not null)
                report(new SelfTestResult(name, true, figure));
        }
        return passed;
    }

    internal static string Ms(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:F1} ms");

    internal static void Expect(bool holds, string seen)
    {
        if (!holds)
            throw new SelfTestException(seen);
    }

    private static async Task<T?> TryAsync<T>(string name, Func<CancellationToken, Task<T>> run, Action<SelfTestResult> report, CancellationToken cancellationToken)
        where T : class
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(CheckLimit);
        try
        {
            return await run(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            report(new SelfTestResult(name, false, $"it did not end within {CheckLimit.TotalMinutes} minutes"));
            return null;
        }
        catch (Exception e) when (e is SelfTestException or VmmException or SandboxException or ProbeException or IOException)
        {
            report(new SelfTestResult(name, false, e.Message));
            return null;
        }
    }
}
