using System.Reflection;
using Mitos.Engine;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Linux.Memory;

namespace Mitos.MachineTests;

/// <summary>What tests need of an engine that it shows to nobody, and the memory of machines, whole.</summary>
internal static class Insides
{
    public static SandboxStore StoreOf(HostEngine engine) => (SandboxStore)Field(engine, "_store");

    public static ShellPool ShellsOf(HostEngine engine) => (ShellPool)Field(engine, "_shells");

    public static MachineHost HostOf(Machine machine) => (MachineHost)Field(machine, "_host");

    /// <summary>All memory of a machine of one region.</summary>
    public static PageBuffer Dump(Machine machine)
    {
        var region = machine.Vmm.Memory[0];
        var buffer = new PageBuffer(region.Length);
        ProcessMemory.Read(machine.Vmm.Process.Id, region.Address, [new PageRun(0, (int)(region.Length / PageBuffer.PageSize))], buffer);
        return buffer;
    }

    /// <summary>The memory of a machine by its generation and its delta.</summary>
    public static PageBuffer Rebuild(Generation generation, IReadOnlyList<PageRun> runs, PageBuffer delta, long fileOffset)
    {
        var image = new PageBuffer(generation.Memory.Length);
        for (long at = 0; at < generation.Memory.Length; at += 1 << 20)
            RandomAccess.Read(generation.Memory.Handle, image.AsSpan(at, 1 << 20), at);
        long from = 0;
        foreach (var run in runs)
        {
            var bytes = run.Count * PageBuffer.PageSize;
            delta.AsSpan(from, bytes).CopyTo(image.AsSpan(fileOffset + ((long)run.First * PageBuffer.PageSize), bytes));
            from += bytes;
        }
        return image;
    }

    /// <summary>Number of pages that differ.</summary>
    public static int CountDifferences(PageBuffer a, PageBuffer b)
    {
        var count = 0;
        for (long at = 0; at < a.Length; at += PageBuffer.PageSize)
            count += a.AsSpan(at, PageBuffer.PageSize).SequenceEqual(b.AsSpan(at, PageBuffer.PageSize)) ? 0 : 1;
        return count;
    }

    private static object Field(object owner, string name) =>
        owner.GetType().GetField(name, BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(owner)!;
}
