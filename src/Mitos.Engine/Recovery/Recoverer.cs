using System.Globalization;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Recovery;

/// <summary>
/// At the start of an engine: adopts the machines whose journals say that they run and which do, and ends and deletes whatever
/// else an earlier engine left: shells, half-made children, sockets, layers, cgroups.
/// </summary>
internal sealed class Recoverer(string engineId, MachineHost host, GenerationStore generations, SandboxStore store, ILogger logger, bool keepUnknown = false)
{
    private readonly Dictionary<string, Generation> _generations = [];

    /// <param name="adopt">Takes a running machine into the books.</param>
    public async Task RunAsync(Action<SandboxRecord, Machine> adopt)
    {
        var unreadable = false;
        var records = store.ReadJournals(path =>
        {
            logger.LogError("the journal {Path} cannot be read; no machine is ended and no disk layer deleted until it is mended or deleted", path);
            unreadable = true;
        }).OrderBy(record => record.CreatedAt).ToList();
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
                AddStopped(record);
            }
        }
        foreach (var generation in _generations.Values)
            generation.Dispose(); // the machines have their own uses
        // What an unreadable record names is unknown: it could be any of what nobody else names.
        if (!unreadable)
            await EndLeftoversAsync(alive);
        if (!unreadable && !keepUnknown)
            host.Layers.DeleteUnused();
        logger.LogInformation("adopted {Count} of {All} sandboxes", alive.Count, records.Count);
    }

    private SandboxRecord TakeName(SandboxRecord record)
    {
        try
        {
            store.TakeName(record.Name);
            return record;
        }
        catch (SandboxException)
        {
            logger.LogError("sandbox {Id} loses its name {Name}: another has it", record.Id, record.Name);
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
            var deadline = Deadline.In(TimeSpan.FromSeconds(5));
            if (machine.Vmm.ReadIsPaused(deadline))
                machine.Vmm.Resume(deadline);
            return machine;
        }
        catch (Exception e) when (e is VmmException or IOException or SandboxException)
        {
            logger.LogWarning("sandbox {Id} could not be adopted and is ended: {Reason}", record.Id, e.Message);
            process.Kill();
            if (machine is not null)
                await machine.DisposeAsync();
            return null;
        }
    }

    private void AddStopped(SandboxRecord record)
    {
        if (record.State == SandboxState.Running)
            record = record with { State = SandboxState.Stopped, StoppedAt = DateTimeOffset.UtcNow, StopReason = "its machine ended while no engine ran" };
        store.Add(new Sandbox(record, null, null));
    }

    private async Task EndLeftoversAsync(HashSet<string> alive)
    {
        Directory.CreateDirectory(host.RunRoot);
        var ids = Directory.EnumerateDirectories(host.RunRoot).Select(Path.GetFileName).OfType<string>().ToHashSet();
        foreach (var root in host.Cgroups.Roots.Select(root => Path.Combine(root, "mitos", engineId)).Where(Directory.Exists))
            ids.UnionWith(Directory.EnumerateDirectories(root).Select(Path.GetFileName).OfType<string>());
        foreach (var id in ids.Except(alive))
        {
            var group = Cgroup.Open(host.Cgroups, host.GroupName(id));
            foreach (var pid in group.Processes().Concat(ReadPid(id)).Distinct())
            {
                if (!IsOurs(pid, id) || HostProcess.TryOpenAny(pid) is not { } process)
                    continue;
                process.Kill();
                await process.Exited.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                process.Dispose();
            }
            for (var i = 0; i < 100 && !group.TryRemove(); i++)
                await Task.Delay(1);
            if (Directory.Exists(host.RunDirectoryOf(id)))
                Directory.Delete(host.RunDirectoryOf(id), recursive: true);
        }
    }

    private IEnumerable<int> ReadPid(string vmmId)
    {
        var path = MachineHost.PidPath(host.RunDirectoryOf(vmmId));
        if (File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var pid))
            yield return pid;
    }

    // Every VMM has its id among its arguments: a recycled pid does not have that.
    private static bool IsOurs(int pid, string vmmId)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0').Contains(vmmId);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
