using FsCheck.Xunit;
using Mitos.Engine.Disks;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Forks;

public sealed class PromotionTests : IDisposable
{
    private const int MiB = 4, Pages = MiB << 8;
    private readonly Scratch _scratch = new();
    private readonly LayerStore _layers;
    private readonly GenerationStore _store;

    public PromotionTests()
    {
        _layers = new LayerStore(_scratch["layers"]);
        _store = new GenerationStore(_scratch["generations"], _layers);
    }

    // In MiB: the delta, the image; whether it pays for so many children.
    [Theory]
    [InlineData(7, 10, 100, false)] // too small to matter
    [InlineData(8, 10, 1, false)] // one child: nobody to share with
    [InlineData(8, 10, 2, false)] // 8 saved, 10 spent
    [InlineData(8, 10, 3, true)] // 16 saved, 10 spent
    [InlineData(10, 10, 2, false)] // even
    [InlineData(11, 10, 2, true)]
    [InlineData(4096, 8192, 100, true)]
    [InlineData(100, 9900, 100, false)]
    [InlineData(101, 9900, 100, true)]
    public void It_pays_when_the_children_s_deltas_are_more_than_an_image(int delta, int image, int children, bool pays)
    {
        using var generation = NewGeneration([], (long)image << 20, out _);
        using var capture = new Capture(generation, generation.Disk, [], [[new PageRun(0, delta << 8)]], null, _layers, []);
        Assert.Equal((long)delta << 20, capture.DeltaBytes);
        Assert.Equal(pays, Promotion.Pays(capture, children));
    }

    /// <param name="old">Pages of the generation.</param>
    /// <param name="dirty">Pages of the delta; a machine whose memory is in two parts, the second elsewhere in the file.</param>
    /// <param name="boundary">Where the parts meet.</param>
    [Property(MaxTest = 50)]
    public void The_new_generation_is_the_old_one_with_the_delta_and_the_old_one_stays(ushort[] old, ushort[] dirty, ushort boundary)
    {
        using var generation = NewGeneration(old, 1, out var expected);
        var before = expected.ToArray();
        var split = 1 + (boundary % (Pages - 1));
        // the second part lies first in the file
        GuestMemoryRegion[] regions = [new(0x7f0000000000, (long)split * Memories.Page, (long)(Pages - split) * Memories.Page), new(0x7f8000000000, (long)(Pages - split) * Memories.Page, 0)];
        var pages = dirty.Select(page => page % Pages).Distinct().Order().ToList();
        var runs = new List<PageRun>[] { RunsOf(pages.Where(page => page < split)), RunsOf(pages.Where(page => page >= split).Select(page => page - split)) };
        var buffer = new PageBuffer((long)pages.Count * Memories.Page);
        Random.Shared.NextBytes(buffer.AsSpan(0, pages.Count * Memories.Page));
        for (var i = 0; i < pages.Count; i++)
        {
            var place = pages[i] < split ? pages[i] + Pages - split : pages[i] - split;
            buffer.AsSpan((long)i * Memories.Page, Memories.Page).CopyTo(expected.AsSpan(place * Memories.Page));
        }
        var layer = _layers.Create(1 << 20).Layer;
        using var capture = new Capture(generation, generation.Disk.With(layer), [1], runs, buffer, _layers, regions);
        using var promoted = Promotion.Promote(capture, _store);
        Assert.True(expected.AsSpan().SequenceEqual(Memories.Read(promoted.Memory)));
        Assert.True(before.AsSpan().SequenceEqual(Memories.Read(generation.Memory)));
        Assert.True(promoted.Memory.IsSealed);
        Assert.Equal([layer.ToString()], promoted.Record.Layers);
        Assert.Equal((false, "", generation.Record.Shape, generation.Record.Vmm), (promoted.Record.Persistent, promoted.Record.Checksum, promoted.Record.Shape, promoted.Record.Vmm));
        Assert.NotEqual(generation.Id, promoted.Id);
        _layers.Release([layer]); // the source's
    }

    [Fact]
    public void A_run_longer_than_one_copy_is_applied_in_whole()
    {
        using var generation = NewGeneration([], 1, out var expected);
        var buffer = new PageBuffer(Pages * Memories.Page);
        Random.Shared.NextBytes(buffer.AsSpan(0, Pages * Memories.Page));
        buffer.AsSpan(0, Pages * Memories.Page).CopyTo(expected);
        using var capture = new Capture(generation, generation.Disk, [], [[new PageRun(0, Pages)]], buffer, _layers, [new GuestMemoryRegion(0x7f0000000000, Pages * Memories.Page, 0)]);
        using var promoted = Promotion.Promote(capture, _store);
        Assert.True(expected.AsSpan().SequenceEqual(Memories.Read(promoted.Memory)));
    }

    [Fact]
    public void A_capture_holds_its_generation_and_layers_until_it_is_let_go_of()
    {
        var layer = _layers.Create(1 << 20).Layer;
        var generation = NewGeneration([], 1, out _);
        var capture = new Capture(generation, generation.Disk.With(layer), [], [[]], null, _layers, []);
        generation.Dispose();
        _layers.Release([layer]);
        Assert.True(File.Exists(_layers.PathOf(layer)));
        Assert.Equal(MiB << 20, Memories.Read(capture.Generation.Memory).Length);
        capture.Dispose();
        Assert.False(File.Exists(_layers.PathOf(layer)));
        Assert.Throws<ObjectDisposedException>(() => Memories.Read(generation.Memory));
    }

    public void Dispose() => _scratch.Dispose();

    private Generation NewGeneration(ushort[] pages, long imageBytes, out byte[] content)
    {
        (var memory, content) = Memories.Create(MiB, pages);
        memory.Seal();
        return new Generation(Records.Generation() with { Shape = new MachineShape(1, MiB, 64), ImageBytes = imageBytes }, memory, [9], _layers);
    }

    private static List<PageRun> RunsOf(IEnumerable<int> pages)
    {
        var runs = new List<PageRun>();
        foreach (var page in pages)
        {
            if (runs.Count > 0 && runs[^1].First + runs[^1].Count == page)
                runs[^1] = runs[^1] with { Count = runs[^1].Count + 1 };
            else
                runs.Add(new PageRun(page, 1));
        }
        return runs;
    }
}
