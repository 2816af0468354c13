using Mitos.Engine.Disks;
using Mitos.Engine.Generations;
using Mitos.Engine.Vmm;
using Mitos.Linux.Cgroups;

namespace Mitos.Engine.Machines;

/// <summary>One VMM process with all that it holds: uid, run directory, cgroup, disk layers, generation. Disposing it ends and frees all.</summary>
public sealed class Machine : IAsyncDisposable
{
    private readonly MachineHost _host;
    private int _disposed;

    internal Machine(MachineHost host, IVmm vmm, VmmSpec spec, Generation? generation)
    {
        _host = host;
        Vmm = vmm;
        Spec = spec;
        Generation = generation;
        Disk = spec.Disk;
        ActiveLayer = spec.ActiveLayer;
    }

    public IVmm Vmm { get; }

    /// <summary>How it was started.</summary>
    public VmmSpec Spec { get; }

    /// <summary>What its memory is a private mapping of; null while a template is being made.</summary>
    public Generation? Generation { get; }

    /// <summary>The frozen part of its disk. It holds a use of each layer.</summary>
    public DiskStack Disk { get; internal set; }

    /// <summary>The layer that takes its writes. It holds a use of it.</summary>
    public LayerId ActiveLayer { get; internal set; }

    /// <summary>An empty layer that the VMM has open already, for the next fork; null when there is none. It holds a use of it.</summary>
    public LayerId? NextLayer { get; internal set; }

    internal Cgroup Cgroup => Spec.Cgroup;

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
            await _host.EndAsync(this);
    }
}
