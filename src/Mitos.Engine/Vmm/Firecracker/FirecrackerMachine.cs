using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Files;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>One Firecracker process. A layer is a whole raw disk that shares its blocks with the one that it was cloned from.</summary>
internal sealed class FirecrackerMachine : IVmm
{
    private const int MaxStateBytes = 16 << 20;
    private const string StateSaved = "memory backing file";
    private readonly FirecrackerApi _api;
    private readonly LayerStore _layers;
    private readonly VmmSpec _spec;
    private readonly FirecrackerVersion _version;
    private readonly MemoryFile _state;
    private readonly MemoryFile? _scratch;
    private readonly string _agentSocket;
    private IReadOnlyList<GuestMemoryRegion> _memory = [];
    private (LayerId Active, LayerId Next, SafeFileHandle Source, SafeFileHandle Target)? _freeze;
    private bool _saved; // a save was the last that it did before it is to run

    /// <param name="spec">What it is.</param>
    /// <param name="version">Of the binary.</param>
    /// <param name="process">The process.</param>
    /// <param name="api">Its API.</param>
    /// <param name="state">Takes its states.</param>
    /// <param name="scratch">Takes the memory of Diff snapshots; null: states are saved alone.</param>
    /// <param name="layers">Its disks.</param>
    public FirecrackerMachine(VmmSpec spec, FirecrackerVersion version, HostProcess process, FirecrackerApi api, MemoryFile state, MemoryFile? scratch, LayerStore layers)
    {
        (_spec, _version, Process, _api, _state, _scratch, _layers) = (spec, version, process, api, state, scratch, layers);
        _agentSocket = Path.Combine(spec.RunDirectory, FirecrackerDriver.Home, FirecrackerRequests.AgentSocket);
    }

    public string Id => _spec.Id;

    public HostProcess Process { get; }

    public IReadOnlyList<GuestMemoryRegion> Memory => _memory.Count > 0 ? _memory : _memory = FindMemory();

    public void Pause(Deadline deadline) => _api.Call(FirecrackerRequests.Pause, deadline);

    // A source that stands still is worse than a question too many: what fails is tried again, once, when it is known where it stands.
    public void Resume(Deadline deadline)
    {
        var saved = _saved;
        _saved = false;
        try
        {
            if (saved)
            {
                _api.Call(FirecrackerRequests.Resume, deadline);
                return;
            }
        }
        catch (VmmException) when (!Process.HasExited && deadline.RemainingMs > 0)
        {
            // refused, or the answer was lost
        }
        if (!ReadIsPaused(deadline))
            return;
        if (!saved && _version.NeedsSaveBeforeResume)
            TrySave(deadline);
        _api.Call(FirecrackerRequests.Resume, deadline);
    }

    public void PrepareSave(Deadline deadline) => RandomAccess.SetLength(_state.Handle, 0);

    public void SaveDeviceState(Deadline deadline)
    {
        // A machine that was booted has its memory nowhere but in itself: it goes into the memory file, which a later generation is.
        if (_spec.Boot is not null)
        {
            _api.Call(FirecrackerRequests.SaveAll, deadline);
        }
        else if (_scratch is not null)
        {
            _api.Call(FirecrackerRequests.SaveDiff, deadline);
        }
        else
        {
            var (status, body) = _api.Exchange(FirecrackerRequests.SaveState, deadline);
            if (status != 400 || !HttpAnswer.FaultOf(body).Contains(StateSaved, StringComparison.Ordinal))
                throw new VmmException($"Firecracker {Id} did not save its state: status {status}, {HttpAnswer.FaultOf(body)}");
        }
        if (RandomAccess.GetLength(_state.Handle) == 0) // whatever it says, it did not save, and is to be resumed as one that did not
            throw new VmmException($"Firecracker {Id} saved a device state of 0 bytes; this binary may write it in another order: `mitos doctor --self-test`.");
        _saved = true;
    }

    public byte[] TakeDeviceState(Deadline deadline)
    {
        var length = RandomAccess.GetLength(_state.Handle);
        if (length > MaxStateBytes)
            throw new VmmException($"Firecracker {Id} saved a device state of {length} bytes; more than {MaxStateBytes} is not believed.");
        var state = new byte[length];
        RandomAccess.Read(_state.Handle, state, 0);
        _scratch?.Clear(); // what it holds is memory that counts, and nobody reads it
        return state;
    }

    public void Load(ReadOnlyMemory<byte> state, Action<IReadOnlyList<GuestMemoryRegion>> writeMemory, Deadline deadline)
    {
        try
        {
            RandomAccess.SetLength(_state.Handle, 0);
            RandomAccess.Write(_state.Handle, state.Span, 0);
            FirecrackerDriver.WithCard(_spec, () => _api.Call(FirecrackerRequests.Load(trackDirtyPages: _scratch is not null, _spec.Card), deadline));
            if (Memory.Count == 0)
                throw new VmmException($"Firecracker {Id} says that it loaded a state, but maps nothing of its generation.");
            writeMemory(Memory);
            if (_spec.DiskLimit is { } limit)
                _api.Call(FirecrackerRequests.LimitDisk(limit), deadline);
            _saved = true; // by the machine that it was
        }
        catch
        {
            Process.Kill(); // half a machine is none
            throw;
        }
    }

    public void SetDisk(DiskStack stack, Deadline deadline)
    {
        using var source = FileDescriptors.OpenRead(FirecrackerDriver.TopOf(stack, _layers));
        using var target = FileDescriptors.OpenReadWrite(_layers.PathOf(_spec.ActiveLayer));
        Reflink.Clone(source, target);
    }

    public void AddLayer(LayerId layer, Deadline deadline)
    {
        // nothing is to be told: the copy is made from outside
    }

    public void PrepareFreeze(LayerId active, LayerId next)
    {
        if (_freeze is { } ready && ready.Active == active && ready.Next == next)
            return;
        CloseFreeze();
        _freeze = (active, next, FileDescriptors.OpenRead(_layers.PathOf(active)), FileDescriptors.OpenReadWrite(_layers.PathOf(next)));
    }

    // The process keeps its file open, so what is kept aside is a copy; saving the state has drained and synced the drive.
    public FrozenLayer FreezeDisk(LayerId active, LayerId next, Deadline deadline)
    {
        PrepareFreeze(active, next);
        Reflink.Clone(_freeze!.Value.Source, _freeze.Value.Target);
        return FrozenLayer.Next;
    }

    public LayerId ReadActiveLayer(Deadline deadline) => _spec.ActiveLayer;

    public void StartFlatten(LayerId active, Deadline deadline)
    {
        // every layer is a whole disk
    }

    public bool IsFlattened(Deadline deadline) => true;

    public void CancelFlatten(LayerId active, Deadline deadline)
    {
        // nothing runs
    }

    public bool ReadIsPaused(Deadline deadline)
    {
        var answer = _api.Call(FirecrackerRequests.Info, deadline);
        return HttpAnswer.FieldOf(answer, "state") switch
        {
            "Paused" => true,
            "Running" => false,
            var state => throw new VmmException($"Firecracker {Id} says that its state is '{state ?? answer}', neither Running nor Paused."),
        };
    }

    public void RemoveNetwork(Deadline deadline)
    {
        // it never had one
    }

    /// <summary>Asks Firecracker for a stream to the agent's vsock port (docs/vsock.md of Firecracker).</summary>
    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_agentSocket), cancellationToken);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"CONNECT {AgentPort.Vsock}\n"), cancellationToken);
            var answer = new byte[1];
            var line = new StringBuilder();
            while (line.Length < 64 && await socket.ReceiveAsync(answer, cancellationToken) == 1 && answer[0] != '\n')
                line.Append((char)answer[0]);
            if (!line.ToString().StartsWith("OK ", StringComparison.Ordinal))
                throw new IOException($"The guest of Firecracker {Id} does not accept connections now.");
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException ? new IOException($"The vsock of Firecracker {Id} cannot be reached: {e.Message}", e) : e;
        }
    }

    public void Detach()
    {
        CloseFreeze();
        _api.Dispose();
        _state.Dispose();
        _scratch?.Dispose();
    }

    // Guests run with a quiet console; what a boot says is kept for the error that it may end with.
    public byte[] ReadConsole(Deadline deadline)
    {
        var path = FirecrackerDriver.ConsoleOf(_spec);
        return File.Exists(path) ? File.ReadAllBytes(path) : [];
    }

    public void Dispose()
    {
        Process.Kill();
        Detach();
        Process.Dispose();
    }

    // When it fails the guest runs on all the same, unreachable until the next save: better than not at all.
    private void TrySave(Deadline deadline)
    {
        try
        {
            SaveDeviceState(deadline);
        }
        catch (VmmException)
        {
            // said already, by whatever led here
        }
    }

    private void CloseFreeze()
    {
        _freeze?.Source.Dispose();
        _freeze?.Target.Dispose();
        _freeze = null;
    }

    private List<GuestMemoryRegion> FindMemory()
    {
        var regions = GuestMemory.Find(_spec.Memory, Process.Id);
        if (regions.Count > 0 && regions.Sum(region => region.Length) != _spec.Shape.MemoryBytes)
            throw new VmmException($"Firecracker {Id} maps {regions.Sum(region => region.Length)} bytes of its generation, not {_spec.Shape.MemoryBytes}.");
        return regions;
    }
}
