using FsCheck.Xunit;
using Mitos.Engine.Disks;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Snapshots;

public sealed class CapturedPagesTests : IDisposable
{
    private const int MiB = 4, Pages = MiB << 8;
    private readonly Scratch _scratch = new();
    private readonly LayerStore _layers;

    public CapturedPagesTests() => _layers = new LayerStore(_scratch["layers"]);

    /// <param name="root">Pages of the generation with files.</param>
    /// <param name="own">Pages of the capture's own generation; whatever else the root has is zero there.</param>
    /// <param name="dirty">Pages of the delta.</param>
    /// <param name="boundary">Where memory is divided into two regions, the second first in the file.</param>
    [Property(MaxTest = 50)]
    public void Root_and_pages_are_what_the_machine_had(ushort[] root, ushort[] own, ushort[] dirty, ushort boundary)
    {
        using var rootGeneration = NewGeneration(root, out var rootContent);
        using var generation = NewGeneration(own, out var expected);
        var split = 1 + (boundary % (Pages - 1));
        GuestMemoryRegion[] regions = [new(0x7f0000000000, (long)split * Memories.Page, (long)(Pages - split) * Memories.Page), new(0x7f8000000000, (long)(Pages - split) * Memories.Page, 0)];
        var places = dirty.Select(page => page % Pages).Distinct().Order().ToList(); // of the file
        List<PageRun> high = [], low = [];
        foreach (var place in places)
            (place < Pages - split ? low : high).Add(new PageRun(place < Pages - split ? place : place - (Pages - split), 1));
        var buffer = new PageBuffer((long)places.Count * Memories.Page);
        Random.Shared.NextBytes(buffer.AsSpan(0, places.Count * Memories.Page));
        var inOrder = high.Select(run => run.First + Pages - split).Concat(low.Select(run => run.First)).ToList();
        for (var i = 0; i < inOrder.Count; i++)
            buffer.AsSpan((long)i * Memories.Page, Memories.Page).CopyTo(expected.AsSpan(inOrder[i] * Memories.Page));
        using var capture = new Capture(generation, generation.Disk, [], [high, low], buffer, _layers, regions);

        var pages = CapturedPages.Against(rootGeneration, capture);
        using var owned = pages.Pages;
        using var image = MemoryFile.Create("oracle", rootContent.Length);
        GenerationMemory.CopyData(rootGeneration.Memory, image);
        if (pages.Pages is { } content)
            GenerationMemory.Apply(image, pages.Runs, pages.Regions, content);
        Assert.True(expected.AsSpan().SequenceEqual(Memories.Read(image)));
        // and none for nothing, but what the machine wrote itself
        Assert.True(pages.Bytes <= (long)root.Concat(own).Concat(dirty).Select(page => page % Pages).Distinct().Count() * Memories.Page);
    }

    public void Dispose() => _scratch.Dispose();

    private Generation NewGeneration(ushort[] pages, out byte[] content)
    {
        (var memory, content) = Memories.Create(MiB, pages);
        memory.Seal();
        return new Generation(Records.Generation() with { Shape = new MachineShape(1, MiB, 64) }, memory, [9], _layers);
    }
}
