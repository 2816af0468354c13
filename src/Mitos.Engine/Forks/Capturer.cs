using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>Takes captures of running machines. The caller sees to it that one machine is captured once at a time.</summary>
internal sealed class Capturer(MachineHost host, TimeSpan maxPause)
{
    private const int Attempts = 4;

    /// <summary>Bytes that the first buffer has beyond the estimate and a quarter of it. Default 4 MiB; tests have less.</summary>
    internal long Slack { get; init; } = 4L << 20;

    /// <summary>Bytes of private guest memory now; an estimate of the next delta.</summary>
    public static long ReadPrivateBytes(Machine machine)
    {
        using var pageMap = new PageMap(machine.Vmm.Process.Id);
        var runs = new List<PageRun>();
        return machine.Vmm.Memory.Sum(region => (long)pageMap.FindPrivate(region.Address, region.Length, runs)) * PageBuffer.PageSize;
    }

    /// <summary>Prepares, pauses, captures and resumes.</summary>
    /// <param name="machine">Runs, and maps a generation.</param>
    /// <param name="journal">Writes down the machine's layers. Called when all is ready, for the journal must name the new layer before the pause; and again when the pause has changed them and the machine does not stay.</param>
    /// <param name="stays">Whether the machine stays paused; the caller ends or resumes it.</param>
    /// <returns>The capture, and the times of the pause.</returns>
    /// <exception cref="VmmException">It failed; the source goes on if its VMM lives.</exception>
    /// <exception cref="IOException">The journal cannot be written; the source goes on, and nothing is kept of the capture.</exception>
    public (Capture Capture, PauseSection Pause) Take(Machine machine, Action journal, bool stays = false)
    {
        var generation = machine.Generation ?? throw new InvalidOperationException($"Machine {machine.Spec.Id} maps no generation.");
        using var pageMap = new PageMap(machine.Vmm.Process.Id);
        var slack = Slack;
        for (var attempt = 1; ; attempt++)
        {
            Prepare(machine);
            journal();
            var estimate = ReadPrivateBytes(machine);
            var buffer = new PageBuffer(estimate + (estimate / 4) + slack);
            PauseSection? pause = null;
            try
            {
                var runs = machine.Vmm.Memory.Select(_ => new List<PageRun>(16 << 10)).ToList();
                pause = new PauseSection(machine.Vmm, pageMap, runs, buffer);
                var active = machine.ActiveLayer;
                var next = machine.NextLayer!.Value;
                try
                {
                    pause.Run(active, next, Deadline.In(maxPause), stays);
                }
                finally
                {
                    if (pause.Frozen == FrozenLayer.Active)
                    {
                        machine.Disk = machine.Disk.With(active);
                        machine.ActiveLayer = next;
                        machine.NextLayer = null;
                    }
                }
                var state = machine.Vmm.TakeDeviceState(Deadline.In(TimeSpan.FromSeconds(5)));
                if (!pause.BufferTooSmall)
                {
                    var capture = new Capture(generation, DiskOf(machine, pause.Frozen, next), state, runs, buffer, host.Layers, machine.Vmm.Memory);
                    return (Keep(machine, capture, pause.Frozen, stays ? null : journal), pause);
                }
                if (attempt == Attempts)
                    throw new VmmException($"The memory of machine {machine.Spec.Id} changes faster than it can be captured ({estimate >> 20} MiB, then {pause.Pages >> 8} MiB).");
                slack = Math.Max(slack * 2, (long)pause.Pages * PageBuffer.PageSize / 2);
            }
            catch
            {
                buffer.Dispose();
                throw;
            }
            buffer.Dispose();
        }
    }

    // A full copy stands for the whole stack; nobody but the capture uses it.
    private static DiskStack DiskOf(Machine machine, FrozenLayer frozen, LayerId next) =>
        frozen == FrozenLayer.Next ? machine.Disk with { Frozen = [next] } : machine.Disk;

    private Capture Keep(Machine machine, Capture capture, FrozenLayer frozen, Action? journal)
    {
        if (frozen == FrozenLayer.Next && machine.NextLayer is { } copy)
        {
            machine.NextLayer = null;
            host.Layers.Release([copy]);
        }
        if (frozen == FrozenLayer.None || journal is null)
            return capture;
        try
        {
            journal();
            return capture;
        }
        catch
        {
            capture.Dispose(); // else its uses of the layers and the generation would last as long as the engine
            throw;
        }
    }

    private void Prepare(Machine machine)
    {
        var deadline = Deadline.In(TimeSpan.FromSeconds(10));
        if (machine.NextLayer is null)
        {
            var layer = host.CreateLayer(machine.Spec.Shape);
            try
            {
                machine.Vmm.AddLayer(layer, deadline);
            }
            catch
            {
                host.Layers.Release([layer]);
                throw;
            }
            machine.NextLayer = layer;
        }
        machine.Vmm.PrepareFreeze(machine.ActiveLayer, machine.NextLayer.Value);
        machine.Vmm.PrepareSave(deadline);
    }
}
