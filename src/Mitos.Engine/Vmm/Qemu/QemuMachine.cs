using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Files;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Qemu;

/// <summary>One QEMU process.</summary>
internal sealed class QemuMachine : IVmm
{
    private const int StateSet = 1000, FirstAddedSet = 1001;
    private const int MaxStateBytes = 16 << 20;
    private static readonly byte[] Stop = QmpConnection.Encode("stop");
    private static readonly byte[] Continue = QmpConnection.Encode("cont");
    private static readonly byte[] Save = QmpConnection.Encode("xen-save-devices-state", new JsonObject { ["filename"] = $"/dev/fdset/{StateSet}", ["live"] = false });
    private static readonly byte[] DropStateSet = QmpConnection.Encode("remove-fd", new JsonObject { ["fdset-id"] = StateSet });

    private readonly QmpConnection _monitor;
    private readonly LayerStore _layers;
    private ImmutableArray<LayerId> _frozen;
    private readonly LayerId _firstActive;
    private readonly string _agentSocket;
    private readonly long _emptyLength;
    private Socket? _earlyAgent;
    private FileInfo? _activeFile;
    private byte[]? _switch;
    private MemoryFile? _state;
    private readonly Dictionary<LayerId, int> _sets = [];
    private int _nextSet = FirstAddedSet;

    public QemuMachine(VmmSpec spec, HostProcess process, QmpConnection monitor, LayerStore layers)
    {
        Id = spec.Id;
        Process = process;
        _agentSocket = Path.Combine(spec.RunDirectory, "agent");
        _emptyLength = Qcow2Image.EmptyLength(spec.Shape.DiskBytes);
        _monitor = monitor;
        _layers = layers;
        _frozen = spec.Disk.Frozen;
        _firstActive = spec.ActiveLayer;
        Memory = FindMemory(spec, process);
        // Sets that an earlier engine added cannot be known; random numbers do not meet.
        _nextSet = FirstAddedSet + (Random.Shared.Next(1, 1 << 14) << 8);
    }

    public string Id { get; }

    public HostProcess Process { get; }

    public IReadOnlyList<GuestMemoryRegion> Memory { get; }

    public void Pause(Deadline deadline) => _monitor.Run(Stop, deadline);

    public void Resume(Deadline deadline) => _monitor.Run(Continue, deadline);

    public void PrepareSave(Deadline deadline)
    {
        _state?.Dispose();
        TryRun(DropStateSet, deadline); // of a fork that failed
        _state = MemoryFile.Create("device-state", 0);
        using var write = FileDescriptors.ReopenWriteOnly(_state.Handle);
        AddDescriptor(StateSet, write, deadline);
    }

    public void SaveDeviceState(Deadline deadline) => _monitor.Run(Save, deadline);

    public byte[] TakeDeviceState(Deadline deadline)
    {
        using var file = _state ?? throw new InvalidOperationException("No save was prepared.");
        _state = null;
        var length = RandomAccess.GetLength(file.Handle);
        if (length is 0 or > MaxStateBytes)
            throw new VmmException($"QEMU {Id} saved a device state of {length} bytes.");
        var state = new byte[length];
        RandomAccess.Read(file.Handle, state, 0);
        TryRun(DropStateSet, deadline);
        return state;
    }

    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _earlyAgent, null) is { } early)
            return new NetworkStream(early, ownsSocket: true);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_agentSocket), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"The agent's port of QEMU {Id} cannot be reached: {e.Message}", e);
        }
    }

    public void Load(ReadOnlyMemory<byte> state, Action<IReadOnlyList<GuestMemoryRegion>> writeMemory, Deadline deadline)
    {
        writeMemory(Memory); // before the state, for the machine runs as soon as it has that
        ConnectAgentEarly();
        var (ours, theirs) = UnixSocket.Pair($"the device state of {Id}");
        using (ours)
        {
            using (theirs)
                _monitor.Run("getfd", new JsonObject { ["fdname"] = "state" }, deadline, theirs.Descriptor);
            _monitor.Run("migrate-incoming", new JsonObject { ["uri"] = "fd:state" }, deadline);
            ours.Send(state.Span, deadline);
            ours.CloseSending();
            var wait = new SpinWait();
            while (true)
            {
                var status = _monitor.Query("query-migrate", null, deadline, result => (string?)result["status"]);
                if (status == "completed")
                    return;
                if (status == "failed" || deadline.RemainingMs == 0)
                    throw new VmmException($"QEMU {Id} did not load the device state: {status ?? "no status"}.");
                wait.SpinOnce(sleep1Threshold: 2);
            }
        }
    }

    public void SetDisk(DiskStack stack, Deadline deadline)
    {
        var common = 0;
        while (common < _frozen.Length && common < stack.Frozen.Length && _frozen[common] == stack.Frozen[common])
            common++;
        if (common == _frozen.Length && common == stack.Frozen.Length)
            return;
        var below = common == 0 ? "base" : QemuCommandLine.NodeOf(stack.Frozen[common - 1]);
        for (var i = common; i < stack.Frozen.Length; i++)
        {
            using var file = FileDescriptors.OpenRead(_layers.PathOf(stack.Frozen[i]));
            AddNode(stack.Frozen[i], [file], writable: false, below, deadline);
            below = QemuCommandLine.NodeOf(stack.Frozen[i]);
        }
        var active = new JsonObject
        {
            ["driver"] = "qcow2",
            ["node-name"] = QemuCommandLine.NodeOf(_firstActive),
            ["file"] = QemuCommandLine.FileNodeOf(_firstActive),
            ["discard"] = "unmap",
            ["backing"] = below,
        };
        _monitor.Run("blockdev-reopen", new JsonObject { ["options"] = new JsonArray(active) }, deadline);
        _frozen = stack.Frozen;
    }

    public void AddLayer(LayerId layer, Deadline deadline)
    {
        using var write = FileDescriptors.OpenReadWrite(_layers.PathOf(layer));
        using var read = FileDescriptors.OpenRead(_layers.PathOf(layer));
        AddNode(layer, [write, read], writable: true, below: null, deadline);
        _switch = null;
    }

    public FrozenLayer FreezeDisk(LayerId active, LayerId next, Deadline deadline)
    {
        // Stopping drained and wrote out the disk: a file that did not grow was not written to, and stays active.
        var file = _activeFile ?? new FileInfo(_layers.PathOf(active));
        file.Refresh();
        if (file.Length == _emptyLength)
            return FrozenLayer.None;
        _monitor.Run(_switch ?? SwitchCommand(active, next), deadline);
        _switch = null;
        _frozen = _frozen.Add(active);
        return FrozenLayer.Active;
    }

    public void PrepareFreeze(LayerId active, LayerId next)
    {
        _switch = SwitchCommand(active, next);
        _activeFile = new FileInfo(_layers.PathOf(active));
    }

    public LayerId ReadActiveLayer(Deadline deadline)
    {
        var nodes = _monitor.Query("query-block", null, deadline, result => result.AsArray().Select(device => (string?)device!["inserted"]?["node-name"]).ToList());
        foreach (var node in nodes)
        {
            if (node is ['l', .. var id] && LayerId.TryParse(id, out var layer))
                return layer;
        }
        throw new VmmException($"QEMU {Id} has no disk of ours.");
    }

    public void StartFlatten(LayerId active, Deadline deadline) =>
        _monitor.Run("block-stream", new JsonObject
        {
            ["job-id"] = "flatten",
            ["device"] = QemuCommandLine.NodeOf(active),
            ["base-node"] = "base",
            ["auto-dismiss"] = true,
        }, deadline);

    public bool IsFlattened(Deadline deadline)
    {
        if (CountJobs(deadline) > 0)
            return false;
        // A job that failed is gone from the list too: what lies below the active layer tells.
        var depth = _monitor.Query("query-block", null, deadline,
            result => result.AsArray().Select(device => (int?)device!["inserted"]?["backing_file_depth"]).FirstOrDefault(value => value is not null));
        if (depth != 1)
            throw new VmmException($"QEMU {Id} could not copy its disk's layers into one; {depth - 1} are left.");
        // Nodes that were made with the process go by themselves, the others on command.
        foreach (var layer in _frozen)
        {
            TryRun(QmpConnection.Encode("blockdev-del", new JsonObject { ["node-name"] = QemuCommandLine.NodeOf(layer) }), deadline);
            if (_sets.Remove(layer, out var set))
                TryRun(QmpConnection.Encode("remove-fd", new JsonObject { ["fdset-id"] = set }), deadline);
        }
        _frozen = [];
        return true;
    }

    public void CancelFlatten(LayerId active, Deadline deadline)
    {
        TryRun(QmpConnection.Encode("block-job-cancel", new JsonObject { ["device"] = "flatten", ["force"] = true }), deadline);
        while (CountJobs(deadline) > 0 && deadline.RemainingMs > 0)
            Thread.Yield();
    }

    public bool ReadIsPaused(Deadline deadline) =>
        _monitor.Query("query-status", null, deadline, result => (string)result["status"]!) is "paused" or "inmigrate" or "prelaunch";

    public void RemoveNetwork(Deadline deadline) => _monitor.Run("netdev_del", new JsonObject { ["id"] = "net" }, deadline);

    public void Detach()
    {
        _monitor.Dispose();
        _state?.Dispose();
    }

    public byte[] ReadConsole(Deadline deadline) =>
        _monitor.Query("ringbuf-read", new JsonObject { ["device"] = "console", ["size"] = 65536, ["format"] = "base64" }, deadline,
            result => Convert.FromBase64String((string)result!));

    public void Dispose()
    {
        Process.Kill();
        _earlyAgent?.Dispose();
        _monitor.Dispose();
        _state?.Dispose();
        Process.Dispose();
    }

    // A guest that was captured with its host connected then finds it so, and has no event to handle in its first moment.
    private void ConnectAgentEarly()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_agentSocket));
            _earlyAgent = socket;
        }
        catch (SocketException)
        {
            socket.Dispose(); // who needs the agent connects again, and reports what is wrong
        }
    }

    private int CountJobs(Deadline deadline) => _monitor.Query("query-block-jobs", null, deadline, result => result.AsArray().Count);

    private static byte[] SwitchCommand(LayerId active, LayerId next) =>
        QmpConnection.Encode("blockdev-snapshot", new JsonObject { ["node"] = QemuCommandLine.NodeOf(active), ["overlay"] = QemuCommandLine.NodeOf(next) });

    // The set stays as long as the node: QEMU takes another descriptor of it whenever the node is reopened, for reading only
    // when it is frozen, for writing when it becomes active.
    private void AddNode(LayerId layer, SafeFileHandle[] files, bool writable, string? below, Deadline deadline)
    {
        var set = _nextSet++;
        foreach (var file in files)
            AddDescriptor(set, file, deadline);
        _sets[layer] = set;
        _monitor.Run("blockdev-add", QemuCommandLine.Layer(layer, set, writable, below), deadline);
    }

    private void AddDescriptor(int set, SafeFileHandle file, Deadline deadline) =>
        _monitor.Run("add-fd", new JsonObject { ["fdset-id"] = set }, deadline, (int)file.DangerousGetHandle());

    private void TryRun(byte[] command, Deadline deadline)
    {
        try
        {
            _monitor.Run(command, deadline);
        }
        catch (VmmException)
        {
            // the thing to be dropped was not there
        }
    }

    private static List<GuestMemoryRegion> FindMemory(VmmSpec spec, HostProcess process)
    {
        var regions = GuestMemory.Find(spec.Memory, process.Id);
        return regions.Sum(region => region.Length) == spec.Shape.MemoryBytes ? regions
            : throw new VmmException($"QEMU {spec.Id} maps {regions.Sum(region => region.Length)} bytes of its generation, not {spec.Shape.MemoryBytes}.");
    }
}
