using Microsoft.Extensions.Logging;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Recovery;

/// <summary>
/// At the start of an engine: adopts the machines whose journals say that they run and which do, and ends and deletes whatever
/// else an earlier engine left: shells, half-made children, sockets, layers, cgroups.
/// </summary>
internal sealed class Recoverer(MachineHost host, GenerationStore generations, SandboxStore store, SnapshotStore snapshots, ILogger logger, bool keepUnknown = false)
{
    private readonly Dictionary<string, Generation> _generations = [];

    /// <param name="adopt">Takes a running machine into the books.</param>
    /// <returns>Whether all journals could be read.</returns>
    public async Task<bool> RunAsync(Action<SandboxRecord, Machine> adopt)
    {
        var unreadable = false;
        var records = store.ReadJournals(path =>
        {
            logger.LogError("the journal {Path} cannot be read; no machine is ended and no disk layer deleted until it is mended or deleted", path);
            unreadable = true;
        }).OrderBy(record => record.CreatedAt).ToList();
        RequireOwnVmm(records);
        var alive = new HashSet<string>();
        foreach (var read in records)
        {
            var record = TakeName(read);
            if (record.State == SandboxState.Running && await TryAdoptAsync(record) is { } machine)
            {
                alive.Add(record.Machine.VmmId);
                adopt(record, machine);
            }
            else
            {
                AddOther(record);
            }
        }
        if (!unreadable)
            DeleteOrphans();
        foreach (var generation in _generations.Values)
            generation.Dispose(); // the machines have their own uses
        // What an unreadable record names is unknown: it could be any of what nobody else names.
        if (!unreadable)
            await host.EndOthersAsync(alive);
        if (!unreadable && !keepUnknown)
            host.Layers.DeleteUnused();
        logger.LogInformation("adopted {Count} of {All} sandboxes", alive.Count, records.Count);
        return !unreadable;
    }

    // Before anything is touched: a machine of another VMM can be neither adopted nor ended by this driver.
    private void RequireOwnVmm(List<SandboxRecord> records)
    {
        foreach (var record in records.Where(record => record.State == SandboxState.Running))
        {
            using var process = HostProcess.TryOpen(record.Machine.Pid, record.Machine.StartTime);
            var vmm = record.Machine.Generation.Vmm.Split(' ')[0];
            if (process is not null && vmm != host.Driver.Facts.Name)
                throw new SandboxException(ErrorCode.FailedPrecondition, $"The sandbox '{record.Id}' runs under {vmm}, and this engine was to use {host.Driver.Facts.Name}.", $"Start it with `--vmm {vmm}`; remove its sandboxes there before you change the VMM.");
        }
    }

    private SandboxRecord TakeName(SandboxRecord record)
    {
        try
        {
            store.TakeName(record.Scope, record.Name);
            return record;
        }
        catch (SandboxException)
        {
            logger.LogError("sandbox {Sandbox} loses its name {Name}: another has it", record.Id, record.Name);
            return record with { Name = null };
        }
    }

    private async Task<Machine?> TryAdoptAsync(SandboxRecord record)
    {
        var process = HostProcess.TryOpen(record.Machine.Pid, record.Machine.StartTime);
        if (process is null)
            return null;
        Machine? machine = null;
        try
        {
            if (!_generations.TryGetValue(record.Machine.Generation.Id, out var generation))
                _generations[record.Machine.Generation.Id] = generation = generations.Reopen(record.Machine.Generation, process.Id, IVmmDriver.MemoryDescriptor);
            machine = host.Adopt(record.Machine, process, generation.Acquire());
            // An engine that ended inside a pause left its source standing.
            var deadline = Deadline.In(MachineHost.AdoptLimit);
            if (machine.Vmm.ReadIsPaused(deadline))
                machine.Vmm.Resume(deadline);
            return machine;
        }
        catch (Exception e) when (e is VmmException or IOException or SandboxException)
        {
            logger.LogWarning("sandbox {Sandbox} could not be adopted and is ended: {Reason}", record.Id, e.Message);
            process.Kill();
            if (machine is not null)
                await machine.DisposeAsync();
            return null;
        }
    }

    // A pause that was cut off has written its snapshot, a resume has not deleted it, or a removal.
    private void DeleteOrphans()
    {
        foreach (var snapshot in snapshots.All.Where(snapshot => snapshot.PausedSandbox is not null))
        {
            if (store.TryGet(SandboxId.Parse(snapshot.PausedSandbox!))?.Record is not { State: SandboxState.Paused } record || record.Snapshot != snapshot.Id)
                TryDelete(snapshot);
        }
    }

    private void TryDelete(Snapshots.SnapshotRecord snapshot)
    {
        try
        {
            snapshots.Delete(snapshot.Id);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.LogError("the snapshot {Snapshot}, which nobody needs, could not be deleted; the next start tries again: {Reason}", snapshot.Id, e.Message);
        }
    }

    private void AddOther(SandboxRecord record)
    {
        if (record.State == SandboxState.Paused && (record.Snapshot is null || snapshots.TryGet(record.Snapshot) is null))
        {
            logger.LogError("sandbox {Sandbox} was paused, and its snapshot is gone or cannot be read", record.Id);
            record = record with { State = SandboxState.Stopped, StoppedAt = DateTimeOffset.UtcNow, StopReason = "its snapshot is gone or cannot be read" };
        }
        if (record.State == SandboxState.Running)
            record = record with { State = SandboxState.Stopped, StoppedAt = DateTimeOffset.UtcNow, StopReason = "its machine ended while no engine ran" };
        store.Add(new Sandbox(record, null, null), recovered: true);
    }
}
