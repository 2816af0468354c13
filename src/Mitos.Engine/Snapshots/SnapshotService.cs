using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Capacity;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Machines;
using Mitos.Engine.Observability;
using Mitos.Engine.Sandboxes;
using Mitos.Linux;

namespace Mitos.Engine.Snapshots;

/// <summary>Pauses and resumes sandboxes, and takes snapshots of them.</summary>
internal sealed class SnapshotService(
    SandboxStore store, SnapshotStore snapshots, SandboxLives lives, MachineHost host, ColdBoot coldBoot, Capturer capturer, Flattener flattener, Birth birth, ShellPool shells, HostCapacity capacity, ILogger logger) : ISnapshots
{
    private const long VmmBytes = 24L << 20, OverlayBytes = 1L << 20;
    private static readonly TimeSpan ResumeLimit = TimeSpan.FromSeconds(10), SyncLimit = TimeSpan.FromSeconds(60);
    private readonly Lock _clearing = new();
    private Task _cleared = Task.CompletedTask;
    private readonly HashSet<(string Scope, string Name)> _names = [.. snapshots.All.Where(record => record.Name is not null).Select(record => (record.Source.Scope, record.Name!))];

    public Task<SandboxInfo> PauseAsync(SandboxId id, bool memory, CancellationToken cancellationToken) =>
        EngineMeter.TimeAsync(EngineMeter.Pause, "sandbox pause", id.ToString(), span => PauseAsync(id, memory, span, cancellationToken));

    public Task<SnapshotInfo> CreateAsync(SandboxId id, string? name, CancellationToken cancellationToken) =>
        EngineMeter.TimeAsync(EngineMeter.Snapshot, "snapshot create", id.ToString(), _ => TakeAsync(id, name, cancellationToken));

    private async Task<SandboxInfo> PauseAsync(SandboxId id, bool memory, Activity? span, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(id);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await sandbox.Gate.WaitAsync(cancellationToken);
        try
        {
            var machine = sandbox.RunningMachine("paused");
            flattener.Cancel(sandbox, machine);
            await ClearedAsync(); // what it was resumed from may be what the disk lacks
            using var reservation = Reserve($"The pause of sandbox '{id}'", machine);
            sandbox.Pausing = over.Task; // from here on nobody begins anything with the machine that he may not see the end of
            if (!memory)
                await SyncAsync(sandbox, cancellationToken);
            var running = sandbox.Record;
            SnapshotRecord? saved = null;
            try
            {
                var (taken, pause) = await Task.Run(() => capturer.Take(machine, () => store.Write(sandbox), stays: true), CancellationToken.None);
                using var capture = taken;
                span?.SetTag("mitos.delta_bytes", capture.DeltaBytes);
                EngineTrace.Steps(span, pause.Stamps[0], ("stop", pause.Between(0, 1)), ("device state", pause.Between(1, 2)), ("freeze disk", pause.Between(2, 3)), ("list", pause.Between(3, 4)), ("copy", pause.Between(4, 5)));
                running = running with { Machine = SandboxStore.Describe(machine) };
                saved = await snapshots.SaveAsync(capture, running, null, paused: true, memory);
                sandbox.Record = running with { State = SandboxState.Paused, Snapshot = saved.Id, FilesOnly = !memory };
                store.Write(sandbox); // from here on it is paused, whatever becomes of us
            }
            catch (Exception e)
            {
                sandbox.Record = running;
                if (saved is not null)
                    snapshots.Delete(saved.Id);
                GoOn(machine);
                throw Explain(e, $"Sandbox '{id}' could not be paused");
            }
            await SandboxLives.EndAsync(sandbox, "was paused", memory
                ? $"Its processes go on after `mitos resume {id}`."
                : $"`mitos resume {id}` boots it from its disk; what ran in it is gone.");
            return sandbox.Describe();
        }
        finally
        {
            sandbox.Pausing = null;
            over.SetResult();
            sandbox.Gate.Release();
        }
    }

    public async Task<SandboxInfo> ResumeAsync(SandboxId id, bool memory, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(id);
        await sandbox.Gate.WaitAsync(cancellationToken);
        try
        {
            return sandbox.Machine is not null
                ? sandbox.Describe()
                : await EngineMeter.TimeAsync(EngineMeter.Resume, "sandbox resume", sandbox.Record.Id, span => ResumeAsync(sandbox, memory, span, cancellationToken));
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }

    // The caller holds the gate.
    private async Task<SandboxInfo> ResumeAsync(Sandbox sandbox, bool memory, Activity? span, CancellationToken cancellationToken)
    {
        var paused = sandbox.Record;
        var snapshot = SnapshotOf(sandbox, "resumed");
        using var reservation = capacity.Reserve($"Sandbox '{sandbox.Id}'", VmmBytes + MemoryOf(snapshot) + (memory || snapshot.FilesOnly ? 0 : ColdBoot.BytesOf(snapshot)), OverlayBytes);
        Capture? capture = null;
        Machine? machine = null;
        Agent.AgentClient? agent = null;
        try
        {
            capture = memory ? await OpenForOneAsync(snapshot, cancellationToken) : await coldBoot.RunAsync(snapshot, cancellationToken);
            var begun = Stopwatch.GetTimestamp();
            (machine, var timings) = await birth.MakeAsync(capture, null, null, cancellationToken);
            agent = MachineAgent.Open(machine, $"sandbox '{sandbox.Id}'");
            var (greeting, handshake) = await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity(paused.Id, paused.Name, paused.ForkId ?? "", paused.ForkIndex ?? 0, paused.AccessToken, paused.Environment));
            EngineTrace.Birth(span, begun, timings with { Greeting = greeting, Handshake = handshake });
            (sandbox.Machine, sandbox.Agent) = (machine, agent);
            sandbox.Record = paused with { State = SandboxState.Running, Snapshot = null, FilesOnly = false };
            store.Write(sandbox);
        }
        catch (Exception e)
        {
            (sandbox.Machine, sandbox.Agent, sandbox.Record) = (null, null, paused);
            if (agent is not null)
                await agent.DisposeAsync();
            if (machine is not null)
                await machine.DisposeAsync();
            capture?.Dispose();
            throw Explain(e, $"Sandbox '{sandbox.Id}' could not be resumed; it is still paused");
        }
        lives.Watch(sandbox, machine);
        shells.Refill(capture.Generation);
        flattener.Consider(sandbox);
        lock (_clearing)
            _cleared = _cleared.ContinueWith(_ => Clear(capture, snapshot.Id), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return sandbox.Describe();
    }

    /// <summary>Done when nothing is left of the snapshots that sandboxes were resumed from, which no answer waits for.</summary>
    public Task ClearedAsync()
    {
        lock (_clearing)
            return _cleared;
    }

    private void Clear(Capture capture, string id)
    {
        try
        {
            capture.Dispose();
            snapshots.Delete(id);
        }
        catch (Exception e) // nobody waits for this
        {
            logger.LogError(e, "the snapshot {Snapshot} of a resumed sandbox could not be deleted; the next start does it", id);
        }
    }

    private async Task<SnapshotInfo> TakeAsync(SandboxId id, string? name, CancellationToken cancellationToken)
    {
        if (name is not null)
            SandboxRules.CheckName(name, "snapshot");
        var sandbox = store.Get(id);
        var scope = sandbox.Record.Scope;
        lock (_names)
        {
            if (name is not null && !_names.Add((scope, name)))
                throw new SandboxException(ErrorCode.Conflict, $"There is a snapshot named '{name}' already.", "Choose another name, or remove that one.");
        }
        try
        {
            var (capture, record) = await CaptureAsync(sandbox, cancellationToken);
            using (capture)
                return Describe(await snapshots.SaveAsync(capture, record, name, paused: false));
        }
        catch (Exception e)
        {
            ReleaseName(scope, name);
            throw Explain(e, $"No snapshot of sandbox '{id}' could be taken");
        }
    }

    public IReadOnlyList<SnapshotInfo> List() => Kept.OrderBy(record => record.CreatedAt).Select(Describe).ToList();

    public SnapshotInfo? TryFind(string idOrName) => Find(idOrName) is { } record ? Describe(record) : null;

    public SnapshotInfo? TryFindPaused(SandboxId id) =>
        store.TryGet(id)?.Record is { State: SandboxState.Paused, Snapshot: { } snapshot } && snapshots.TryGet(snapshot) is { } record ? Describe(record) : null;

    public void Remove(string id)
    {
        if (Find(id) is not { } record || !snapshots.Delete(record.Id))
            throw SandboxException.NotFound("snapshot", id, "`mitos snapshot ls` lists the snapshots.");
        ReleaseName(record.Source.Scope, record.Name);
    }

    /// <summary>A snapshot that is no paused sandbox's.</summary>
    public SnapshotRecord? Find(string idOrName) =>
        snapshots.TryGet(idOrName) is { PausedSandbox: null } record ? record : Kept.Where(kept => kept.Name == idOrName).MinBy(kept => kept.CreatedAt);

    /// <summary>The capture of a snapshot, for which one without memory is booted. The caller disposes it.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: damaged, or of another VMM; Unavailable: it does not boot.</exception>
    public async Task<Capture> OpenAsync(SnapshotRecord record, CancellationToken cancellationToken) =>
        record.FilesOnly ? await coldBoot.RunAsync(record, cancellationToken) : await snapshots.OpenAsync(record, host.Driver.Facts.Fingerprint);

    /// <summary>The same for one machine, which gets its pages from the file.</summary>
    /// <exception cref="SandboxException">As of <see cref="OpenAsync"/>; damage may be seen only when the machine is made.</exception>
    public async Task<Capture> OpenForOneAsync(SnapshotRecord record, CancellationToken cancellationToken) =>
        record.FilesOnly ? await coldBoot.RunAsync(record, cancellationToken) : snapshots.OpenForOne(record, host.Driver.Facts.Fingerprint);

    /// <summary>The snapshot that a paused sandbox is kept in. The caller holds its gate.</summary>
    /// <exception cref="SandboxException">FailedPrecondition.</exception>
    public SnapshotRecord SnapshotOf(Sandbox sandbox, string what) =>
        sandbox.Record is { State: SandboxState.Paused, Snapshot: { } id } && snapshots.TryGet(id) is { } record ? record : throw sandbox.NotRunning(what);

    /// <summary>Memory that one machine made of a snapshot may take, bytes.</summary>
    public static long MemoryOf(SnapshotRecord snapshot) => snapshot.FilesOnly ? ColdBoot.BytesOf(snapshot) : snapshot.DeltaBytes + (Environment.ProcessorCount * (2L << 20));

    /// <summary>Deletes what a removed sandbox was paused in.</summary>
    public void DeleteOf(SandboxRecord removed)
    {
        if (removed.Snapshot is { } id)
            snapshots.Delete(id);
    }

    private IEnumerable<SnapshotRecord> Kept => snapshots.All.Where(record => record.PausedSandbox is null);

    private async Task<(Capture Capture, SandboxRecord Record)> CaptureAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        await sandbox.Gate.WaitAsync(cancellationToken);
        try
        {
            if (sandbox.Record.State == SandboxState.Paused)
                return (await OpenAsync(SnapshotOf(sandbox, "kept"), cancellationToken), sandbox.Record);
            var machine = sandbox.RunningMachine("kept");
            flattener.Cancel(sandbox, machine);
            await ClearedAsync();
            using var reservation = Reserve($"A snapshot of sandbox '{sandbox.Id}'", machine);
            cancellationToken.ThrowIfCancellationRequested();
            var capture = await Task.Run(() => capturer.Take(machine, () => store.Write(sandbox)).Capture, CancellationToken.None);
            flattener.Consider(sandbox);
            return (capture, sandbox.Record);
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }

    // What the guest has written must be on its disk: nothing else of it is kept.
    private static async Task SyncAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(SyncLimit);
        try
        {
            await sandbox.RunningAgent("paused").FreezeAsync(limit.Token);
        }
        catch (Exception e) when (e is Agent.AgentException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new SandboxException(ErrorCode.Unavailable, $"Sandbox '{sandbox.Id}' could not be paused: its guest did not write its files to disk: {e.Message}", "Try again; or pause it with its memory.", e);
        }
    }

    private IDisposable Reserve(string what, Machine machine)
    {
        var delta = Capturer.ReadPrivateBytes(machine);
        // Of a generation without files its whole difference from the template is written as well.
        var all = machine.Generation!.Record is { Persistent: false } record ? delta + record.ImageBytes : delta;
        return capacity.Reserve(what, (delta * 5 / 4) + (all - delta), all + OverlayBytes);
    }

    private void GoOn(Machine machine)
    {
        try
        {
            if (!machine.Vmm.Process.HasExited)
                machine.Vmm.Resume(Deadline.In(ResumeLimit));
        }
        catch (VmmException e)
        {
            logger.LogError(e, "machine {Machine} could not go on after a pause that failed", machine.Spec.Id);
        }
    }

    private void ReleaseName(string scope, string? name)
    {
        lock (_names)
        {
            if (name is not null)
                _names.Remove((scope, name));
        }
    }

    private static Exception Explain(Exception e, string what) => e switch
    {
        SandboxException => e,
        IOException io => new SandboxException(ErrorCode.Exhausted, $"{what}: {io.Message}", "Free disk space in the state directory, and try again.", e),
        VmmException => new SandboxException(ErrorCode.Internal, $"{what}: {e.Message}", "Try again; `mitos doctor` checks this host.", e),
        _ => e,
    };

    private static SnapshotInfo Describe(SnapshotRecord record)
    {
        var shape = record.Generation.Shape;
        return new SnapshotInfo(record.Id, record.Name, SandboxId.Parse(record.Source.Id), record.Source.Template, record.CreatedAt, shape.CpuCount, shape.MemoryMiB, shape.DiskMiB, record.DeltaBytes, record.FileBytes);
    }
}
