using System.Security.Cryptography;
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
    /// <summary>Freezes a machine that was booted into a generation with files.</summary>
    /// <param name="booted">Running; its process is ended by this.</param>
    public async Task<GenerationRecord> FreezeBootedAsync(BootedMachine booted)
    {
        var state = await StopAsync(booted);
        return await SaveAsync(booted.Machine, booted.Memory, state, booted.Machine.Disk.With(booted.Machine.ActiveLayer));
    }

    /// <summary>Freezes a machine that was booted into a generation that lives as long as it is used.</summary>
    /// <param name="booted">Running; its process is ended by this, and its memory becomes the generation's.</param>
    /// <param name="root">The generation with files whose descendants it joins.</param>
    /// <returns>The instant at which it was frozen; the caller disposes it.</returns>
    public async Task<Capture> FreezeForNowAsync(BootedMachine booted, GenerationRecord root)
    {
        var (machine, memory) = (booted.Machine, booted.Memory);
        var state = await StopAsync(booted);
        var disk = machine.Disk.With(machine.ActiveLayer);
        machine.Vmm.Process.Kill(); // nobody may hold its memory or its layer when they are sealed
        await machine.Vmm.Process.Exited;
        memory.Seal();
        booted.MemoryTaken = true;
        using var generation = generations.AddTransient(root with
        {
            Id = RandomNumberGenerator.GetHexString(16, lowercase: true),
            Persistent = false,
            Root = root.Id,
            Checksum = "",
            ImageBytes = memory.DataRanges().Sum(range => range.End - range.Start),
            Layers = disk.Frozen.Select(layer => layer.ToString()).ToList(),
        }, memory);
        return new Capture(generation, disk, state, [], null, host.Layers, []);
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

    private static async Task<byte[]> StopAsync(BootedMachine booted)
    {
        await SettleAsync(booted.Agent);
        var vmm = booted.Machine.Vmm;
        return await Task.Run(() =>
        {
            var deadline = Deadline.In(TimeSpan.FromSeconds(30));
            vmm.PrepareSave(deadline);
            vmm.Pause(deadline);
            vmm.SaveDeviceState(deadline);
            return vmm.TakeDeviceState(deadline);
        });
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
