using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>Makes a running machine of a capture: delta in, device state in, disk in place, go. Its agent has not been spoken to yet.</summary>
internal sealed class Birth(MachineHost host, ShellPool shells)
{
    private const long SlowestDisk = 8 << 20; // bytes/s
    private static readonly TimeSpan LoadLimit = TimeSpan.FromSeconds(30);

    /// <param name="capture">The instant; stays as it is.</param>
    /// <param name="promoted">A generation that holds the capture's delta already; null: the child maps the capture's and gets the delta.</param>
    /// <param name="shell">A shell of that generation, taken ahead; null: one is taken or started.</param>
    /// <param name="cancellationToken">Aborts the waiting for a shell.</param>
    /// <exception cref="VmmException">The VMM failed; nothing is left of it.</exception>
    public async Task<(Machine Machine, BirthTimings Timings)> MakeAsync(Capture capture, Generation? promoted, Machine? shell, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var generation = promoted ?? capture.Generation;
        var warm = shell ?? shells.TryTake(generation);
        var machine = warm ?? await shells.StartAsync(generation, cancellationToken);
        try
        {
            var timings = new BirthTimings(warm is not null, Stopwatch.GetElapsedTime(started), default, default, default, default, default);
            // What is read from a file takes its time, and the pool's threads are for answers.
            var options = capture.Saved is null ? TaskCreationOptions.DenyChildAttach : TaskCreationOptions.LongRunning;
            return (machine, await Task.Factory.StartNew(() => Load(machine, capture, promoted is null, timings), CancellationToken.None, options, TaskScheduler.Default));
        }
        catch (Exception e)
        {
            await machine.DisposeAsync();
            if (e is LinuxException or IOException)
                throw new VmmException($"Machine {machine.Spec.Id} could not be given its memory: {e.Message}", e);
            throw;
        }
    }

    private BirthTimings Load(Machine machine, Capture capture, bool writeDelta, BirthTimings timings)
    {
        var started = Stopwatch.GetTimestamp();
        var deadline = Deadline.In(LoadLimit + (capture.Saved is null ? TimeSpan.Zero : TimeSpan.FromSeconds(capture.DeltaBytes / SlowestDisk)));
        host.Layers.Acquire(capture.Disk.Frozen);
        host.Layers.Release(machine.Disk.Frozen);
        machine.Disk = capture.Disk;
        machine.Vmm.SetDisk(capture.Disk, deadline);
        var disk = Stopwatch.GetTimestamp();
        var written = TimeSpan.Zero;
        machine.Vmm.Load(capture.DeviceState, regions =>
        {
            var begun = Stopwatch.GetTimestamp();
            if (writeDelta)
                WriteDelta(machine.Vmm.Process.Id, regions, capture);
            written = Stopwatch.GetElapsedTime(begun);
        }, deadline);
        machine.Vmm.Resume(deadline);
        return timings with
        {
            Disk = Stopwatch.GetElapsedTime(started, disk),
            Memory = written,
            DeviceState = Stopwatch.GetElapsedTime(disk) - written,
        };
    }

    // The child's kernel gives each page its own frame now, which is most of the cost: of a large delta several cores share it.
    private static void WriteDelta(int pid, IReadOnlyList<GuestMemoryRegion> regions, Capture capture)
    {
        if (capture.Saved is { } saved)
            saved.WriteTo(pid, regions);
        else if (capture.Pages is { } pages)
            new PageTransfer(pid, [.. regions.Select(region => region.Address)], capture.Runs, pages, 0, write: true).Run(helpers: Environment.ProcessorCount);
    }
}
