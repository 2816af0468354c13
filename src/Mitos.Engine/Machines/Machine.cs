using System.Net.Sockets;
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
    private Socket? _agent;

    internal Machine(MachineHost host, IVmm vmm, VmmSpec spec, Generation? generation, long emptyLength)
    {
        _host = host;
        Vmm = vmm;
        Spec = spec;
        Generation = generation;
        Disk = spec.Disk;
        ActiveLayer = spec.ActiveLayer;
        EmptyLength = emptyLength;
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

    /// <summary>File length of an active layer that was never written to.</summary>
    public long EmptyLength { get; }

    /// <summary>An empty layer that the VMM has open already, for the next fork; null when there is none. It holds a use of it.</summary>
    public LayerId? NextLayer { get; internal set; }

    internal Cgroup Cgroup => Spec.Cgroup;

    /// <summary>
    /// Connects to where its agent will be, before there is one. A guest that was captured with its host connected then finds
    /// it so, and has no event to handle in its first moment.
    /// </summary>
    internal void ConnectAgent()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(Vmm.AgentSocket));
            _agent = socket;
        }
        catch (SocketException)
        {
            socket.Dispose(); // who needs the agent connects again, and reports what is wrong
        }
    }

    /// <summary>That connection, once.</summary>
    internal Socket? TakeAgent() => Interlocked.Exchange(ref _agent, null);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        TakeAgent()?.Dispose();
        await _host.EndAsync(this);
    }
}
