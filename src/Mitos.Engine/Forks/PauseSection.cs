using System.Diagnostics;
using Mitos.Engine.Disks;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Forks;

/// <summary>
/// What happens while the source stands still, and nothing else: stop, save the device state, freeze the disk, list and copy
/// the private pages, go on. No logging, JSON, fsync or allocation in here; all buffers and commands were made before.
/// </summary>
internal sealed class PauseSection(IVmm vmm, PageMap pageMap, IReadOnlyList<List<PageRun>> runs, PageBuffer buffer)
{
    private readonly PageTransfer _copy = new(vmm.Process.Id, [.. vmm.Memory.Select(region => region.Address)], runs, buffer, 0, write: false);

    /// <summary>Timestamps (<see cref="Stopwatch"/>) before the stop and after each step, the resume last.</summary>
    public readonly long[] Stamps = new long[7];

    /// <summary>Where the disk of this instant is.</summary>
    public FrozenLayer Frozen { get; private set; }

    /// <summary>Whether the buffer was too small; the source goes on and the caller tries again with a larger one.</summary>
    public bool BufferTooSmall { get; private set; }

    /// <summary>Pages found.</summary>
    public int Pages { get; private set; }

    /// <param name="active">The source's active layer.</param>
    /// <param name="next">The empty layer that was added for this.</param>
    /// <param name="deadline">Until when the source may stand still; its resume has a deadline of its own.</param>
    /// <param name="stays">Whether it is left paused when all went well.</param>
    public void Run(LayerId active, LayerId next, Deadline deadline, bool stays = false)
    {
        var captured = false;
        Stamps[0] = Stopwatch.GetTimestamp();
        try
        {
            vmm.Pause(deadline);
            Stamps[1] = Stopwatch.GetTimestamp();
            vmm.SaveDeviceState(deadline); // may write guest memory and the disk: both are taken after it, always
            Stamps[2] = Stopwatch.GetTimestamp();
            Frozen = vmm.FreezeDisk(active, next, deadline);
            Stamps[3] = Stopwatch.GetTimestamp();
            for (var i = 0; i < vmm.Memory.Count; i++)
                Pages += pageMap.FindPrivate(vmm.Memory[i].Address, vmm.Memory[i].Length, runs[i]);
            Stamps[4] = Stopwatch.GetTimestamp();
            BufferTooSmall = (long)Pages * PageBuffer.PageSize > buffer.Length;
            if (!BufferTooSmall)
                _copy.Run(helpers: Environment.ProcessorCount);
            captured = !BufferTooSmall;
            Stamps[5] = Stopwatch.GetTimestamp();
        }
        finally
        {
            if (!captured || !stays)
                vmm.Resume(Deadline.In(TimeSpan.FromSeconds(10)));
            Stamps[6] = Stopwatch.GetTimestamp();
        }
    }

    public TimeSpan Between(int from, int to) => Stopwatch.GetElapsedTime(Stamps[from], Stamps[to]);
}
