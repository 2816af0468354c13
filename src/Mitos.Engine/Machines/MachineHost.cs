using System.Collections.Immutable;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Machines;

/// <summary>Starts and ends VMM processes with everything around them: user ids, directories, cgroups, layers.</summary>
public sealed class MachineHost : IDisposable
{
    internal const int UserIds = 100_000_000;
    // Beside guest memory, which counts twice at worst: a page that its generation has no data for becomes one of zeros there, which
    // all share and who touched it first is charged for, and then the machine's own.
    private const long VmmMemoryBytes = 256L << 20;

    /// <summary>How long a machine that runs may take to answer a new engine. Long: one that does not is ended, and a host after a crash is busy.</summary>
    internal static readonly TimeSpan AdoptLimit = TimeSpan.FromSeconds(30);

    private readonly EngineOptions _options;
    private readonly string _engineId;
    private readonly DiskRates _rates;
    private readonly HashSet<int> _userIds = [];
    private readonly Lock _lock = new();

    public MachineHost(EngineOptions options, string engineId, IVmmDriver driver, LayerStore layers, CgroupHierarchy cgroups)
    {
        _options = options;
        _engineId = engineId;
        Driver = driver;
        Layers = layers;
        Cgroups = cgroups;
        _rates = DiskRates.Find(options, cgroups, layers.Location);
        Directory.CreateDirectory(RunRoot, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Mounts = TryMakeMounts();
    }

    public IVmmDriver Driver { get; }

    public LayerStore Layers { get; }

    public CgroupHierarchy Cgroups { get; }

    /// <summary>What its VMMs see of the file system; null: all that their users may.</summary>
    internal SafeFileHandle? Mounts { get; }

    internal string RunRoot => RunRootOf(_options);

    /// <summary>Starts a machine that boots; its memory file is not sealed.</summary>
    public Machine StartBooting(MachineShape shape, MemoryFile memory, DiskStack disk, BootSource boot, bool network) =>
        Start(shape, memory, disk, null, boot, network);

    /// <summary>Starts a shell of a generation. The machine holds a use of the generation.</summary>
    public Machine StartShell(Generation generation, bool network = false) =>
        Start(generation.Record.Shape, generation.Memory, generation.Disk, generation, null, network);

    /// <summary>Takes over the machine of a sandbox from an earlier engine, and the use of its generation.</summary>
    /// <exception cref="Errors.VmmException">It does not answer; it is ended.</exception>
    internal Machine Adopt(MachineRecord record, HostProcess process, Generation generation)
    {
        var frozen = record.Frozen.Select(LayerId.Parse).ToImmutableArray();
        var spec = Spec(record.VmmId, record.UserId, generation.Record.Shape, generation.Memory,
            new DiskStack(record.Generation.BaseImage, frozen), LayerId.Parse(record.Active), Cgroup.Open(Cgroups, GroupName(_engineId, record.VmmId)));
        lock (_lock)
            _userIds.Add(record.UserId);
        IVmm? vmm = null;
        LayerId active;
        try
        {
            spec.Cgroup.LimitDisks(_rates.ByCgroup); // the earlier one may have had others
            vmm = Driver.Adopt(spec, process);
            active = vmm.ReadActiveLayer(Deadline.In(AdoptLimit));
        }
        catch (Exception e)
        {
            vmm?.Dispose();
            generation.Dispose();
            lock (_lock)
                _userIds.Remove(record.UserId);
            if (e is IOException)
                throw new VmmException($"Machine {record.VmmId} cannot be limited as this daemon is told to: {e.Message}", e);
            throw;
        }
        var machine = new Machine(this, vmm, spec, generation);
        if (active != spec.ActiveLayer)
        {
            // the engine ended between switching the layers and writing it down
            machine.Disk = machine.Disk.With(spec.ActiveLayer);
            machine.ActiveLayer = active;
        }
        Layers.Acquire(machine.Disk.Frozen.Add(machine.ActiveLayer));
        return machine;
    }

    /// <summary>A new empty layer for a disk of this shape, with one user.</summary>
    internal LayerId CreateLayer(MachineShape shape) => Layers.Create(path => Driver.CreateLayer(path, shape.DiskBytes));

    internal static string PidPath(string runDirectory) => Path.Combine(runDirectory, "pid");

    internal string RunDirectoryOf(string vmmId) => Path.Combine(RunRoot, vmmId);

    /// <summary>The cgroup of a VMM.</summary>
    internal static string GroupName(string engineId, string vmmId) => $"mitos/{engineId}/{vmmId}";

    /// <summary>Where the run directories of an engine's VMMs are.</summary>
    internal static string RunRootOf(EngineOptions options) => Path.Combine(options.RunDirectory, "v");

    /// <summary>Ends what an earlier engine left, but for these VMMs.</summary>
    internal Task EndOthersAsync(IReadOnlySet<string> alive) => Leftovers.EndAsync(RunRoot, _engineId, Cgroups, alive);

    /// <summary>Starts no more: removes the cgroup that its machines were in, if it is empty.</summary>
    public void Dispose()
    {
        Mounts?.Dispose();
        Cgroup.Open(Cgroups, $"mitos/{_engineId}").TryRemove();
    }

    internal async Task EndAsync(Machine machine)
    {
        machine.Vmm.Dispose();
        await machine.Vmm.Process.Exited;
        Free(machine.Spec.RunDirectory, machine.Spec.Cgroup, machine.Spec.UserId);
        var layers = machine.Disk.Frozen.Add(machine.ActiveLayer);
        Layers.Release(machine.NextLayer is { } next ? layers.Add(next) : layers);
        machine.Generation?.Dispose();
    }

    private Machine Start(MachineShape shape, MemoryFile memory, DiskStack disk, Generation? generation, BootSource? boot, bool network)
    {
        CheckDisk(disk, shape);
        var id = VmmId.New();
        var runDirectory = RunDirectoryOf(id);
        var active = CreateLayer(shape);
        Layers.Acquire(disk.Frozen);
        generation?.Acquire();
        var userId = TakeUserId();
        Cgroup? group = null;
        IVmm? vmm = null;
        try
        {
            Directory.CreateDirectory(runDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            group = Cgroup.Create(Cgroups, GroupName(_engineId, id), new CgroupLimits((2 * shape.MemoryBytes) + VmmMemoryBytes, shape.CpuCount + 0.5, 128, _rates.IsLimited ? _rates.ByCgroup : null));
            var spec = Spec(id, userId, shape, memory, disk, active, group) with { Boot = boot, UserModeNetwork = network };
            vmm = Driver.Start(spec);
            File.WriteAllText(PidPath(runDirectory), vmm.Process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture));
            return new Machine(this, vmm, spec, generation);
        }
        catch
        {
            vmm?.Dispose();
            Free(runDirectory, group, userId);
            Layers.Release(disk.Frozen.Add(active));
            generation?.Dispose();
            throw;
        }
    }

    // A guest whose disk is not the one that it knows damages it.
    private static void CheckDisk(DiskStack disk, MachineShape shape)
    {
        var image = new FileInfo(disk.BaseImage);
        if (!image.Exists || image.Length != shape.DiskBytes)
            throw new VmmException($"The disk image {disk.BaseImage} {(image.Exists ? $"has {image.Length} bytes, and the machine's disk {shape.DiskBytes}" : "is gone")}: build the template anew.");
    }

    // Doctor tells where none can be made.
    private SafeFileHandle? TryMakeMounts()
    {
        var place = Directory.CreateDirectory(Path.Combine(_options.RunDirectory, "root"));
        try
        {
            return MountNamespace.Make(place.FullName, Driver.Files, [RunRoot, .. _options.VmmFiles]);
        }
        catch (LinuxException)
        {
            return null;
        }
        finally
        {
            place.Delete();
        }
    }

    private VmmSpec Spec(string id, int userId, MachineShape shape, MemoryFile memory, DiskStack disk, LayerId active, Cgroup group) => new()
    {
        Id = id,
        Shape = shape,
        Memory = memory,
        Disk = disk,
        ActiveLayer = active,
        RunDirectory = RunDirectoryOf(id),
        UserId = userId,
        Cgroup = group,
        DiskLimit = _rates.ByVmm,
        Mounts = Mounts,
    };

    private void Free(string runDirectory, Cgroup? group, int userId)
    {
        if (Directory.Exists(runDirectory))
            Directory.Delete(runDirectory, recursive: true);
        // The kernel needs a moment to take an ended process out of its groups.
        for (var i = 0; i < 100 && group?.TryRemove() == false; i++)
            Thread.Sleep(1);
        lock (_lock)
            _userIds.Remove(userId);
    }

    // Random, so that two engines of one host do not meet.
    private int TakeUserId()
    {
        lock (_lock)
        {
            while (true)
            {
                var id = _options.FirstUserId + Random.Shared.Next(UserIds);
                if (_userIds.Add(id))
                    return id;
            }
        }
    }
}
