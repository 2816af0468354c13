using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Linux;

namespace Mitos.Engine.Forks;

/// <summary>
/// Keeps disks shallow: each fork of a machine that wrote to its disk adds a layer, so past a limit the frozen layers are
/// copied into the active one, in the background and inside the VMM. A fork has precedence and drops the copying.
/// </summary>
internal sealed class Flattener(SandboxStore store, MachineHost host, ILogger logger)
{
    /// <summary>Frozen layers above which a disk is flattened.</summary>
    public const int MaxLayers = 8;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<SandboxId, object> _running = new();

    /// <summary>Starts flattening in the background if the disk is deep.</summary>
    public void Consider(Sandbox sandbox)
    {
        var run = new object();
        if (sandbox.Machine is { } machine && machine.Disk.Frozen.Length > MaxLayers && _running.TryAdd(sandbox.Id, run))
            _ = Task.Run(() => RunAsync(sandbox, machine, run));
    }

    /// <summary>Drops a copying that is not over. The caller holds the sandbox's gate.</summary>
    public void Cancel(Sandbox sandbox, Machine machine)
    {
        if (_running.TryRemove(sandbox.Id, out _))
            machine.Vmm.CancelFlatten(machine.ActiveLayer, Deadline.In(CallLimit));
    }

    private async Task RunAsync(Sandbox sandbox, Machine machine, object run)
    {
        try
        {
            await sandbox.Gate.WaitAsync();
            try
            {
                if (sandbox.Machine != machine || !IsCurrent(sandbox, run))
                    return;
                machine.Vmm.StartFlatten(machine.ActiveLayer, Deadline.In(CallLimit));
            }
            finally
            {
                sandbox.Gate.Release();
            }
            while (IsCurrent(sandbox, run))
            {
                await Task.Delay(PollInterval);
                if (await TryFinishAsync(sandbox, machine, run))
                    return;
            }
        }
        catch (Exception e) when (e is VmmException or IOException)
        {
            logger.LogWarning("the disk of sandbox {Sandbox} was not flattened: {Reason}", sandbox.Id, e.Message);
        }
        finally
        {
            _running.TryRemove(KeyValuePair.Create(sandbox.Id, run));
        }
    }

    // A run that was cancelled must not take the next one's place.
    private bool IsCurrent(Sandbox sandbox, object run) => _running.TryGetValue(sandbox.Id, out var current) && current == run;

    private async Task<bool> TryFinishAsync(Sandbox sandbox, Machine machine, object run)
    {
        await sandbox.Gate.WaitAsync();
        try
        {
            if (sandbox.Machine != machine || !IsCurrent(sandbox, run))
                return true;
            if (!machine.Vmm.IsFlattened(Deadline.In(CallLimit)))
                return false;
            var old = machine.Disk.Frozen;
            machine.Disk = machine.Disk with { Frozen = [] };
            store.Write(sandbox);
            host.Layers.Release(old);
            return true;
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }
}
