using System.Collections.Immutable;

namespace Mitos.Engine.Disks;

/// <summary>What a disk consists of, from bottom to top. All but the machine's own active layer never change.</summary>
/// <param name="BaseImage">Path of the raw image at the bottom.</param>
/// <param name="Frozen">Layers above it, the lowest first.</param>
public sealed record DiskStack(string BaseImage, ImmutableArray<LayerId> Frozen)
{
    /// <summary>The stack with one more layer on top.</summary>
    public DiskStack With(LayerId layer) => this with { Frozen = Frozen.Add(layer) };
}
