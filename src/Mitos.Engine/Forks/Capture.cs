using Mitos.Engine.Disks;
using Mitos.Engine.Generations;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>
/// A fork point: the pages in which a machine differs from its generation, its device state and its frozen disk, all of one
/// paused instant. It holds a use of the generation and of the layers.
/// </summary>
public sealed class Capture : IDisposable
{
    private readonly LayerStore _layers;

    internal Capture(Generation generation, DiskStack disk, byte[] deviceState, IReadOnlyList<IReadOnlyList<PageRun>> runs, PageBuffer? pages, LayerStore layers, IReadOnlyList<GuestMemoryRegion> regions)
    {
        Generation = generation.Acquire();
        Disk = disk;
        DeviceState = deviceState;
        Runs = runs;
        Regions = regions;
        Pages = pages;
        _layers = layers;
        layers.Acquire(disk.Frozen);
    }

    public Generation Generation { get; }

    public DiskStack Disk { get; }

    public byte[] DeviceState { get; }

    /// <summary>For each memory region of the machine the pages of the delta, in order.</summary>
    public IReadOnlyList<IReadOnlyList<PageRun>> Runs { get; }

    /// <summary>Where those regions belong in the generation's memory.</summary>
    public IReadOnlyList<GuestMemoryRegion> Regions { get; }

    /// <summary>The pages of <see cref="Runs"/>, one after the other; null for an empty delta, or one that is <see cref="Saved"/>.</summary>
    public PageBuffer? Pages { get; }

    /// <summary>Instead of <see cref="Pages"/>, where they are for one machine only. Disposed with this.</summary>
    internal IDelta? Saved { get; init; }

    public long DeltaBytes => Runs.Sum(region => region.Sum(run => (long)run.Count)) * PageBuffer.PageSize;

    /// <summary>The generation's own instant: no delta.</summary>
    public static Capture Of(Generation generation, LayerStore layers) =>
        new(generation, generation.Disk, generation.DeviceState, [], null, layers, []);

    /// <summary>The same instant with another state, for tests of what becomes of a bad one. Without pages of its own.</summary>
    internal Capture WithState(byte[] state) => new(Generation, Disk, state, [], null, _layers, []);

    public void Dispose()
    {
        Pages?.Dispose();
        Saved?.Dispose();
        _layers.Release(Disk.Frozen);
        Generation.Dispose();
    }
}
