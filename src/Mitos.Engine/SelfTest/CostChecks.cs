using System.Globalization;
using Mitos.Engine.Machines;
using static Mitos.Engine.SelfTest.SelfTests;

namespace Mitos.Engine.SelfTest;

/// <summary>What does a fork cost? Only memory has a bound here, for it does not depend on what else the host does; times are figures.</summary>
internal static class CostChecks
{
    private const int Pages = 1024, Captures = 20; // 4 MiB
    private const long MaxOwn = 2 << 20; // of its guest's pages, beside the delta: the probe's own

    public static async Task<string> ForkAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        await source.Probe.DirtyAsync(At, Pages, 4096, 6, cancellationToken);
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < Math.Min(Captures, size.Births); i++)
        {
            using var one = await rig.CaptureAsync(source);
            pauses.Add(one.Pause);
        }
        using var capture = await rig.CaptureAsync(source);
        var cold = new List<TimeSpan>();
        var warm = new List<TimeSpan>();
        var own = new List<double>(); // MiB, with the VMM's
        for (var i = 0; i < size.Births; i++)
        {
            var (child, ready) = await rig.TimeBirthAsync(capture, warm: i % 2 == 0, cancellationToken);
            await using var ended = child;
            (i % 2 == 0 ? warm : cold).Add(ready);
            var memory = MachineMemory.Read(child.Machine);
            Expect(memory.PrivateBytes - capture.DeltaBytes <= MaxOwn, $"child {i} has {memory.PrivateBytes >> 10} KiB of guest memory of its own, and its delta was {capture.DeltaBytes >> 10} KiB");
            own.Add((memory.PrivateBytes + memory.VmmBytes - capture.DeltaBytes) / 1048576.0);
        }
        own.Sort();
        return string.Create(CultureInfo.InvariantCulture,
            $"{capture.DeltaBytes / 1048576.0:F1} MiB of delta: paused {Spread(pauses)}; {size.Births} children, ready in {Spread(warm)} warm, {Spread(cold)} cold; {own[own.Count / 2]:F1} MiB each beside the delta");
    }

    private static string Spread(List<TimeSpan> times)
    {
        times.Sort();
        return $"{Ms(times[times.Count / 2])} (p50; max {Ms(times[^1])})";
    }
}
