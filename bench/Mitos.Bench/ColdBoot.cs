using System.Reflection;
using Mitos.Engine.Agent;
using Mitos.Engine.Disks;
using Mitos.Engine.Machines;
using Mitos.Engine.Templates;
using Mitos.Engine.Templates.Recipes;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Bench;

/// <summary>A machine that boots: from the start of its VMM to the end of its first command.</summary>
internal static class ColdBoot
{
    public static async Task<double> RunAsync(Bench bench, int memoryMiB)
    {
        var cache = bench.Options.CacheDirectory;
        var kernel = await new KernelPackage(cache).GetAsync(_ => { }, CancellationToken.None);
        var rootfs = await new RootFileSystem(cache, BuiltInTemplates.Base).GetAsync(_ => { }, CancellationToken.None);
        var initramfs = Path.Combine(bench.Options.RunDirectory, "initramfs");
        Initramfs.Write(initramfs, Path.Combine(bench.Options.GuestDirectory, "mitos-guest"), kernel.Modules);
        File.SetUnixFileMode(initramfs, (UnixFileMode)0x124);
        var shape = BuiltInTemplates.Base.Shape with { MemoryMiB = memoryMiB };
        var templates = bench.Engine.Templates;
        var host = (MachineHost)templates.GetType().GetFields(BindingFlags.NonPublic | BindingFlags.Instance).Single(field => field.FieldType == typeof(MachineHost)).GetValue(templates)!;
        using var memory = MemoryFile.Create("boot", shape.MemoryBytes);
        var time = await Bench.TimeMsAsync(async () =>
        {
            await using var machine = await Task.Run(() => host.StartBooting(shape, memory, new DiskStack(rootfs, []), new BootSource(kernel.Image, initramfs, "mitos.root=/dev/vda"), false));
            await using var agent = MachineAgent.Open(machine, "the cold machine");
            await agent.ConnectAsync(CancellationToken.None);
            await using var process = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/true"], User = "root", Directory = "/" }, CancellationToken.None);
            await process.Exit;
        });
        File.Delete(initramfs);
        return time;
    }
}
