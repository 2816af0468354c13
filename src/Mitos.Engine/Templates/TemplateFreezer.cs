using Mitos.Engine.Agent;
using Mitos.Engine.Disks;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Templates;

/// <summary>Turns a machine that is set up into a generation with files, and ends the machine.</summary>
internal sealed class TemplateFreezer(MachineHost host, GenerationStore generations, Capturer capturer)
{
    /// <summary>Freezes a machine that was booted: its memory file holds all of its memory.</summary>
    /// <param name="machine">Running; ended by this.</param>
    /// <param name="memory">Its memory file.</param>
    /// <param name="agent">Its agent.</param>
    public async Task<GenerationRecord> FreezeBootedAsync(Machine machine, MemoryFile memory, AgentClient agent)
    {
        await SettleAsync(agent);
        var state = await Task.Run(() =>
        {
            var deadline = Deadline.In(TimeSpan.FromSeconds(30));
            machine.Vmm.PrepareSave(deadline);
            machine.Vmm.Pause(deadline);
            machine.Vmm.SaveDeviceState(deadline);
            return machine.Vmm.TakeDeviceState(deadline);
        });
        var disk = machine.Disk.With(machine.ActiveLayer);
        return await SaveAsync(machine, memory, state, disk);
    }

    /// <summary>Freezes a machine that maps another generation: the new one is that and its delta.</summary>
    public async Task<GenerationRecord> FreezeChildAsync(Machine machine, AgentClient agent)
    {
        await SettleAsync(agent);
        await Task.Run(() => machine.Vmm.RemoveNetwork(Deadline.In(TimeSpan.FromSeconds(10))));
        using var capture = await Task.Run(() => capturer.Take(machine, () => { }).Capture);
        using var promoted = Promotion.Promote(capture, generations);
        return await SaveAsync(machine, promoted.Memory, capture.DeviceState, capture.Disk);
    }

    private static async Task SettleAsync(AgentClient agent)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await agent.ConfigureNetworkAsync("off", limit.Token);
        await agent.FreezeAsync(limit.Token);
    }

    // The layers of the stack must outlive the machine: the record's user is counted before the machine lets go.
    private async Task<GenerationRecord> SaveAsync(Machine machine, MemoryFile memory, byte[] state, DiskStack disk)
    {
        host.Layers.Acquire(disk.Frozen);
        try
        {
            machine.Vmm.Process.Kill(); // the layer's file must be complete and quiet before it is used
            await machine.Vmm.Process.Exited;
            return await Task.Run(() => generations.Save(memory, state, machine.Spec.Shape, disk, host.Driver.Facts.Fingerprint));
        }
        catch
        {
            host.Layers.Release(disk.Frozen);
            throw;
        }
    }
}
