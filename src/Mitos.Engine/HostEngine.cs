using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Capacity;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Hosts;
using Mitos.Engine.Machines;
using Mitos.Engine.Observability;
using Mitos.Engine.Recovery;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Files;

namespace Mitos.Engine;

/// <summary>The engine of one host. Machines live on when it is disposed or killed; the next one adopts them.</summary>
public sealed class HostEngine : IHostEngine
{
    private readonly EngineOptions _options;
    private readonly SafeFileHandle _lock;
    private readonly ShellPool _shells;
    private readonly SandboxStore _store;
    private readonly SnapshotService _snapshots;
    private readonly Timer _idle;
    private readonly MachineHost _host;
    private readonly RunDirectory _runLock;
    private readonly HostGauges _gauges;

    private HostEngine(EngineOptions options, SafeFileHandle stateLock, RunDirectory runLock, ISandboxes sandboxes, ITemplates templates, SnapshotService snapshots, ShellPool shells, SandboxStore store, MachineHost host)
    {
        _options = options;
        _lock = stateLock;
        _runLock = runLock;
        _shells = shells;
        _store = store;
        _host = host;
        _gauges = new HostGauges(store, shells, options.StateDirectory);
        Sandboxes = sandboxes;
        Templates = templates;
        Snapshots = _snapshots = snapshots;
        _idle = new Timer(_ => _ = shells.DropIdleAsync(), null, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
    }

    public ISandboxes Sandboxes { get; }

    public ITemplates Templates { get; }

    public ISnapshots Snapshots { get; }

    /// <summary>Takes the state directory, recovers what an earlier engine left, and is ready.</summary>
    /// <exception cref="SandboxException">InvalidArgument: an option; FailedPrecondition: QEMU is missing, not root, state of another version; Conflict: another engine has the state directory.</exception>
    public static async Task<HostEngine> StartAsync(EngineOptions options, ILoggerFactory loggers)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new SandboxException(ErrorCode.FailedPrecondition, "The engine needs root: machines get users, cgroups and page tables of their own.", "sudo ./mitos up");
        options.Check();
        var logger = loggers.CreateLogger("Mitos.Engine");
        var stateLock = TakeLock(options);
        RunDirectory? runLock = null;
        try
        {
            var id = EngineRecord.Open(options.StateDirectory).Id;
            runLock = RunDirectory.Take(options, id);
            var vmm = await VmmApproval.ChooseAsync(VmmChoice.Make(options), options, logger);
            var layers = await vmm.OpenLayersAsync(options.StateDirectory, CancellationToken.None);
            var generations = new GenerationStore(Path.Combine(options.StateDirectory, "generations"), layers);
            var registry = new TemplateRegistry(Path.Combine(options.StateDirectory, "templates"), generations, layers);
            foreach (var path in registry.Unreadable)
                logger.LogError("the template record {Path} or its generation's cannot be read; nothing is cleaned up until its template is built again or the file is deleted", path);
            if (registry.Unreadable.Count == 0)
                generations.DeleteUnused(registry.UsedGenerations);
            var host = new MachineHost(options, id, vmm.Make(layers), layers, CgroupHierarchy.Probe());
            var shells = new ShellPool(host, options.WarmShells, TimeProvider.System);
            var capturer = new Capturer(host, options.MaxPause);
            var birth = new Birth(host, shells);
            var capacity = new HostCapacity(options);
            var store = new SandboxStore(Path.Combine(options.StateDirectory, "sandboxes"));
            var booter = new MachineBooter(options, host);
            var freezer = new TemplateFreezer(host, generations, capturer);
            var templates = new TemplateService(options, host, booter, generations, registry, freezer, shells, birth);
            var lives = new SandboxLives(store, logger);
            var flattener = new Flattener(store, host, logger);
            var kept = new SnapshotStore(Path.Combine(options.StateDirectory, "snapshots"), generations, layers);
            foreach (var path in kept.Unreadable)
                logger.LogError("the snapshot {Path} cannot be read; nothing is cleaned up until it is deleted", path);
            var snapshots = new SnapshotService(store, kept, lives, host, new ColdBoot(host, booter, freezer, registry, kept, birth, logger), capturer, flattener, birth, shells, capacity, logger);
            var forks = new ForkService(store, generations, capturer, shells, birth, flattener, snapshots, capacity, logger);
            var sandboxes = new SandboxService(store, lives, snapshots, templates, registry, host, shells, birth, forks, capacity);
            templates.CountSandboxes = name => store.All.Where(sandbox => sandbox.Record.State != SandboxState.Stopped).Select(sandbox => sandbox.Record)
                .Concat(kept.All.Where(record => record.PausedSandbox is null).Select(record => record.Source)).Count(record => record.IsOf(name));
            var unknown = registry.Unreadable.Count > 0 || kept.Unreadable.Count > 0;
            var readable = await new Recoverer(host, generations, store, kept, logger, keepUnknown: unknown).RunAsync(
                (record, machine) => lives.Adopt(record, machine, MachineAgent.Open(machine, $"sandbox '{record.Id}'"), recovered: true));
            registry.AllReadable = () =>
            {
                generations.DeleteUnused(registry.UsedGenerations);
                if (readable && kept.Unreadable.Count == 0)
                    layers.DeleteUnused();
            };
            await BuildDrafts.DeleteAsync(options);
            return new HostEngine(options, stateLock, runLock, sandboxes, templates, snapshots, shells, store, host);
        }
        catch
        {
            runLock?.Dispose();
            stateLock.Dispose();
            throw;
        }
    }

    public HostFacts ProbeHost() => HostProbe.Run(_options);

    public async ValueTask DisposeAsync()
    {
        _gauges.Dispose();
        await _idle.DisposeAsync();
        await _shells.DisposeAsync();
        await _snapshots.ClearedAsync();
        foreach (var sandbox in _store.All)
        {
            if (sandbox.Agent is { } agent)
                await agent.DisposeAsync();
            sandbox.Removing = true; // from here on its end is the next engine's business
            sandbox.Machine?.Vmm.Detach();
        }
        _host.Dispose(); // when no machine is left in it
        await ReflinkVolume.TryCloseAsync(_options.StateDirectory);
        _runLock.Dispose();
        _lock.Dispose();
    }

    // Tokens, environments, memory and disks of sandboxes.
    private static readonly string[] PrivateDirectories = ["generations", "layers", "sandboxes", "snapshots", "templates"];

    private static SafeFileHandle TakeLock(EngineOptions options)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(options.StateDirectory, Private);
        foreach (var name in PrivateDirectories) // whatever the mode is of the one that they are in, which another may have made
        {
            var directory = Path.Combine(options.StateDirectory, name);
            Directory.CreateDirectory(directory, Private);
            File.SetUnixFileMode(directory, Private);
        }
        var path = Path.Combine(options.StateDirectory, "lock");
        var file = FileDescriptors.OpenOrCreate(path);
        if (FileDescriptors.TryLock(file))
        {
            RandomAccess.SetLength(file, 0);
            RandomAccess.Write(file, System.Text.Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"), 0);
            return file;
        }
        var buffer = new byte[32];
        var holder = System.Text.Encoding.ASCII.GetString(buffer, 0, RandomAccess.Read(file, buffer, 0)).Trim();
        file.Dispose();
        throw new SandboxException(ErrorCode.Conflict, $"The state directory {options.StateDirectory} is in use by process {holder}.", "Use that daemon, end it with `mitos down`, or set MITOS_STATE to another directory.");
    }
}
