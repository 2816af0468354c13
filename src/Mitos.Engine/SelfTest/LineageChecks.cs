using System.Globalization;
using Mitos.Probe;
using static Mitos.Engine.SelfTest.SelfTests;

namespace Mitos.Engine.SelfTest;

/// <summary>Are machines of one line what they should be to each other?</summary>
internal static class LineageChecks
{
    private const int Sector = 512;

    /// <summary>Each machine of a line marks a page, a sector and its number; the last one must see the marks of all.</summary>
    public static async Task<string> DepthAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        var source = await rig.StartMachineAsync(cancellationToken);
        try
        {
            for (var depth = 0; depth < size.Depth; depth++)
            {
                await source.Probe.DirtyAsync(PageOf(depth), 1, 4096, (ulong)depth, cancellationToken);
                await source.Probe.WriteDiskAsync(0, SectorOf(depth), Mark(depth), cancellationToken);
                await source.Probe.SetGenerationAsync((ulong)depth + 1, cancellationToken);
                using var capture = await rig.CaptureAsync(source);
                var child = await rig.BirthAsync(capture, cancellationToken);
                await source.DisposeAsync();
                source = child;
            }
            var facts = await source.Probe.IdentifyAsync(cancellationToken);
            Expect(facts.Generation == (ulong)size.Depth, $"the last of the line has the number {facts.Generation} of {size.Depth}");
            for (var depth = 0; depth < size.Depth; depth++)
            {
                Expect(await source.Probe.ChecksumAsync(PageOf(depth), 8, cancellationToken) == SumOf(PageOf(depth), (ulong)depth), $"the memory of ancestor {depth} is lost");
                Expect((await source.Probe.ReadDiskAsync(0, SectorOf(depth), Sector, cancellationToken)).AsSpan().SequenceEqual(Mark(depth)), $"the disk of ancestor {depth} is lost");
            }
            return $"depth {size.Depth}";
        }
        finally
        {
            await source.DisposeAsync();
        }
    }

    /// <summary>All children of one capture, alive at once, each with its own content.</summary>
    public static async Task<string> ManyAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        await source.Probe.FillAsync(At, 4 << 20, 9, cancellationToken);
        using var capture = await rig.CaptureAsync(source);
        var children = new ProbeMachine?[size.Children];
        try
        {
            var started = System.Diagnostics.Stopwatch.GetTimestamp();
            await Parallel.ForAsync(0, children.Length, cancellationToken, async (i, token) =>
            {
                children[i] = await rig.BirthAsync(capture, token);
                await children[i]!.Probe.FillAsync(At, 1 << 20, (ulong)i + 100, token);
            });
            var took = System.Diagnostics.Stopwatch.GetElapsedTime(started);
            for (var i = 0; i < children.Length; i++)
            {
                var expected = new byte[4 << 20];
                ProbePattern.Fill(expected.AsSpan(0, 1 << 20), At, (ulong)i + 100);
                ProbePattern.Fill(expected.AsSpan(1 << 20), At + (1 << 20), 9);
                Expect(await children[i]!.Probe.ChecksumAsync(At, 4 << 20, cancellationToken) == ProbePattern.Checksum(expected), $"child {i} has another's memory");
            }
            return string.Create(CultureInfo.InvariantCulture, $"{children.Length} children in {Ms(took)}");
        }
        finally
        {
            foreach (var child in children)
            {
                if (child is not null)
                    await child.DisposeAsync();
            }
        }
    }

    /// <summary>Disk and memory are of one instant, and nobody sees what another writes later.</summary>
    public static async Task<string> DiskAsync(ProbeRig rig, SelfTestSize size, CancellationToken cancellationToken)
    {
        await using var source = await rig.StartMachineAsync(cancellationToken);
        await source.Probe.WriteDiskAsync(0, 0, Mark(1), cancellationToken);
        await source.Probe.WriteDiskAsync(0, 8, Mark(2), cancellationToken);
        using var capture = await rig.CaptureAsync(source);
        await source.ReconnectAsync(cancellationToken);
        await source.Probe.WriteDiskAsync(0, 0, Mark(3), cancellationToken);
        await using var child = await rig.BirthAsync(capture, cancellationToken);
        await using var sibling = await rig.BirthAsync(capture, cancellationToken);
        await child.Probe.WriteDiskAsync(0, 8, Mark(4), cancellationToken);
        await child.Probe.FlushDiskAsync(0, cancellationToken);
        await ExpectAsync(source, 3, 2, "the source");
        await ExpectAsync(child, 1, 4, "the child");
        await ExpectAsync(sibling, 1, 2, "the sibling");
        return string.Create(CultureInfo.InvariantCulture, $"paused {Ms(capture.Pause)} with a written disk");

        async Task ExpectAsync(ProbeMachine machine, int first, int second, string who)
        {
            Expect((await machine.Probe.ReadDiskAsync(0, 0, Sector, cancellationToken)).AsSpan().SequenceEqual(Mark(first)), $"{who} reads another first sector than mark {first}");
            Expect((await machine.Probe.ReadDiskAsync(0, 8, Sector, cancellationToken)).AsSpan().SequenceEqual(Mark(second)), $"{who} reads another second sector than mark {second}");
        }
    }

    private static ulong PageOf(int depth) => At + ((ulong)depth * 64 * 4096);

    private static ulong SectorOf(int depth) => (ulong)depth * 16;

    private static byte[] Mark(int number) => Enumerable.Repeat((byte)(number + 1), Sector).ToArray();

    private static ulong SumOf(ulong address, ulong seed) => ProbePattern.Checksum(BitConverter.GetBytes(ProbePattern.Word(seed, address)));
}
