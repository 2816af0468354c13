using System.Globalization;
using Mitos.Engine.Generations;
using Mitos.Linux.Memory;
using Mitos.Probe;
using static Mitos.Engine.SelfTest.SelfTests;

namespace Mitos.Engine.SelfTest;

/// <summary>Is a child what its source was?</summary>
internal static class MemoryChecks
{
    /// <summary>The guest's own sums, and the host's of generation + delta, agree over all memory but the probe's own.</summary>
    public static async Task<string> ExactAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        await source.Probe.FillAsync(At, Length / 2, 1, cancellationToken);
        await source.Probe.DirtyAsync(At + (Length / 2), 1000, 8192, 2, cancellationToken);
        await source.Probe.SetGenerationAsync(77, cancellationToken);
        var sum = await source.Probe.ChecksumAsync(At, Length, cancellationToken);
        using var capture = await rig.CaptureAsync(source);
        Expect(ChecksumOf(capture, At, Length) == sum, "generation + delta is not what the guest saw");
        await source.ReconnectAsync(cancellationToken);
        await source.Probe.FillAsync(At, Length / 4, 3, cancellationToken); // whatever the source does now is not the children's
        await using var child = await rig.BirthAsync(capture, cancellationToken);
        Expect(await child.Probe.ChecksumAsync(At, Length, cancellationToken) == sum, "a child's memory differs from its source's");
        var facts = await child.Probe.IdentifyAsync(cancellationToken);
        Expect(facts.Generation == 77, $"a child has the generation {facts.Generation}, its source 77");
        await child.Probe.FillAsync(At, Length, 4, cancellationToken);
        await using var second = await rig.BirthAsync(capture, cancellationToken);
        Expect(await second.Probe.ChecksumAsync(At, Length, cancellationToken) == sum, "a child sees what another one wrote");
        return string.Create(CultureInfo.InvariantCulture, $"{Length >> 20} MiB, paused {Ms(capture.Pause)}");
    }

    public static async Task<string> DeltaAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        const int Pages = 2000, Own = 128; // the probe's own pages, and the devices'
        await using var source = await rig.StartMachineAsync(cancellationToken);
        using (var idle = await rig.CaptureAsync(source))
            Expect(idle.DeltaBytes <= Own * PageBuffer.PageSize, $"an idle machine's delta is {idle.DeltaBytes >> 10} KiB");
        await source.ReconnectAsync(cancellationToken);
        await source.Probe.DirtyAsync(At, Pages, 4096, 5, cancellationToken);
        using var capture = await rig.CaptureAsync(source);
        var pages = capture.DeltaBytes / PageBuffer.PageSize;
        Expect(pages is >= Pages and <= Pages + Own, $"{Pages} pages were changed, {pages} captured");
        return string.Create(CultureInfo.InvariantCulture, $"{pages} pages of {Pages} written, paused {Ms(capture.Pause)}");
    }

    /// <summary>A guest that keeps an invariant as fast as it can is forked again and again; no child may find it broken.</summary>
    public static async Task<string> SkewAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        await source.Probe.StartInvariantAsync(At, At + (1 << 20), cancellationToken);
        for (var i = 0; i < size.Forks; i++)
        {
            var before = await source.Probe.ReportInvariantAsync(cancellationToken);
            using var capture = await rig.CaptureAsync(source);
            await using var child = await rig.BirthAsync(capture, cancellationToken);
            var report = await child.Probe.StopInvariantAsync(cancellationToken);
            Expect(report.IsRunning is false && report.Violations == 0, $"child {i} is of two instants: {report}");
            Expect(report.Iterations >= before.Iterations, $"child {i} went back from {before.Iterations} to {report.Iterations}");
            await source.ReconnectAsync(cancellationToken);
        }
        var own = await source.Probe.StopInvariantAsync(cancellationToken);
        Expect(own.Violations == 0, $"the source is of two instants: {own}");
        return $"{size.Forks} forks, {own.Iterations} turns, 0 violations";
    }

    private static ulong ChecksumOf(ProbeCapture capture, ulong address, ulong length)
    {
        var generation = capture.Capture.Generation;
        using var image = MemoryFile.Create("oracle", generation.Memory.Length);
        GenerationMemory.CopyData(generation.Memory, image);
        GenerationMemory.Apply(image, capture.Capture.Runs, capture.Regions, capture.Capture.Pages!);
        var bytes = new byte[length];
        for (var at = 0; at < bytes.Length;)
            at += RandomAccess.Read(image.Handle, bytes.AsSpan(at), (long)address + at); // below the hole, so the file has it at its address
        return ProbePattern.Checksum(bytes);
    }
}
