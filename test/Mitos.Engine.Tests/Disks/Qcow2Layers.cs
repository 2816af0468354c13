using Mitos.Engine.Disks;

namespace Mitos.Engine.Tests;

/// <summary>Layers as the QEMU driver makes them.</summary>
internal static class Qcow2Layers
{
    public static (LayerId Layer, long EmptyLength) Create(this LayerStore store, long diskBytes)
    {
        long length = 0;
        var layer = store.Create(path => length = Qcow2Image.CreateEmpty(path, diskBytes));
        return (layer, length);
    }
}
