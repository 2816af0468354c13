using System.Runtime.InteropServices;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>Makes a running machine of a capture: delta in, device state in, disk in place, go. Its agent has not been spoken to yet.</summary>
internal sealed class Birth(MachineHost host, ShellPool shells)
{
    private static readonly TimeSpan LoadLimit = TimeSpan.FromSeconds(30);

    /// <param name="capture">The instant; stays as it is.</param>
    /// <param name="promoted">A generation that holds the capture's delta already; null: the child maps the capture's and gets the delta.</param>
    /// <param name="shell">A shell of that generation, taken ahead; null: one is taken or started.</param>
    /// <param name="cancellationToken">Aborts the waiting for a shell.</param>
    /// <exception cref="VmmException">The VMM failed; nothing is left of it.</exception>
    public async Task<Machine> MakeAsync(Capture capture, Generation? promoted, Machine? shell, CancellationToken cancellationToken)
    {
        var generation = promoted ?? capture.Generation;
        var machine = shell ?? shells.TryTake(generation) ?? await shells.StartAsync(generation, cancellationToken);
        try
        {
            await Task.Run(() => Load(machine, capture, promoted is null), CancellationToken.None);
            return machine;
        }
        catch (Exception e)
        {
            await machine.DisposeAsync();
            if (e is LinuxException or IOException)
                throw new VmmException($"Machine {machine.Spec.Id} could not be given its memory: {e.Message}", e);
            throw;
        }
    }

    private void Load(Machine machine, Capture capture, bool writeDelta)
    {
        var deadline = Deadline.In(LoadLimit);
        host.Layers.Acquire(capture.Disk.Frozen);
        host.Layers.Release(machine.Disk.Frozen);
        machine.Disk = capture.Disk;
        machine.Vmm.SetDisk(capture.Disk, deadline);
        if (writeDelta && capture.Pages is { } pages)
        {
            long offset = 0;
            for (var i = 0; i < capture.Runs.Count; i++)
            {
                var runs = CollectionsMarshal.AsSpan((List<PageRun>)capture.Runs[i]);
                offset += ProcessMemory.Write(machine.Vmm.Process.Id, machine.Vmm.Memory[i].Address, runs, pages, offset);
            }
        }
        machine.Vmm.LoadDeviceState(capture.DeviceState, deadline);
        machine.Vmm.Resume(deadline);
    }
}
