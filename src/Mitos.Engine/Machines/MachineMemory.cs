using System.Globalization;
using Mitos.Engine.Sandboxes;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Machines;

/// <summary>Reads what a machine costs.</summary>
internal static class MachineMemory
{
    /// <exception cref="IOException">The process is gone.</exception>
    public static MemoryUsage Read(Machine machine)
    {
        using var pages = new PageMap(machine.Vmm.Process.Id);
        var runs = new List<PageRun>();
        long own = 0, shared = 0;
        foreach (var region in machine.Vmm.Memory)
        {
            own += pages.FindPrivate(region.Address, region.Length, runs);
            shared += pages.CountShared(region.Address, region.Length);
        }
        own *= PageBuffer.PageSize;
        // All anonymous memory of the process, less the guest's: heap, stacks, translation cache.
        return new MemoryUsage(own, shared * PageBuffer.PageSize, Math.Max(0, ReadAnonymous(machine.Vmm.Process.Id) - own));
    }

    private static long ReadAnonymous(int pid)
    {
        foreach (var line in File.ReadLines($"/proc/{pid}/smaps_rollup"))
        {
            if (line.StartsWith("Anonymous:", StringComparison.Ordinal))
                return long.Parse(line.AsSpan(10).Trim()[..^3], CultureInfo.InvariantCulture) << 10;
        }
        throw new IOException($"/proc/{pid}/smaps_rollup has no anonymous memory; the process is ending.");
    }
}
