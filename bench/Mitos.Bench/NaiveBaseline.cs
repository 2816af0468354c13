using System.Reflection;
using Mitos.Engine;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.Bench;

/// <summary>
/// What others do, with the same VMM and guest: the whole memory is written to a file while the machine stands still, and each
/// child gets a full copy of it before it runs.
/// </summary>
internal sealed class NaiveBaseline(Bench bench)
{
    private static Deadline Soon => Deadline.In(TimeSpan.FromSeconds(60));

    /// <summary>Snapshots a machine and restores one child of it.</summary>
    /// <returns>Milliseconds that the source stood still, and from the start to the child's first command.</returns>
    public async Task<(double PauseMs, double FirstCommandMs)> RunAsync(SandboxId source)
    {
        var store = (SandboxStore)typeof(HostEngine).GetField("_store", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(bench.Engine)!;
        var machine = store.Get(source).Machine!;
        var host = (MachineHost)typeof(Machine).GetField("_host", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(machine)!;
        var path = Path.Combine(bench.Options.StateDirectory, "naive");
        var pause = 0.0;
        var total = await Bench.TimeMsAsync(async () =>
        {
            machine.Vmm.PrepareSave(Soon);
            pause = await Bench.TimeMsAsync(() => Task.Run(() =>
            {
                machine.Vmm.Pause(Soon);
                machine.Vmm.SaveDeviceState(Soon);
                WriteAll(machine, path);
                machine.Vmm.Resume(Soon);
            }));
            var state = machine.Vmm.TakeDeviceState(Soon);
            using var memory = MemoryFile.Create("naive", machine.Spec.Shape.MemoryBytes);
            using (var file = File.OpenHandle(path))
                CopyAll(file, memory);
            memory.Seal();
            using var generation = new Generation(machine.Generation!.Record with { Id = "naive", Persistent = false }, memory, state, host.Layers);
            using var capture = Capture.Of(generation, host.Layers);
            var shells = new ShellPool(host, 0, TimeProvider.System);
            var (child, _) = await new Birth(host, shells).MakeAsync(capture, null, null, CancellationToken.None);
            await using var ended = child;
            await using var agent = MachineAgent.Open(child, "the naive child");
            await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity("naive", null, "naive", 0, "", new Dictionary<string, string>()));
            await using var process = await agent.StartAsync(new Mitos.Engine.Agent.ProcessSpec { Argv = ["/bin/true"], User = "root", Directory = "/" }, CancellationToken.None);
            await process.Exit;
        });
        File.Delete(path);
        return (pause, total);
    }

    private static void WriteAll(Machine machine, string path)
    {
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        using var buffer = new PageBuffer(16 << 20);
        var region = machine.Vmm.Memory[0];
        for (long at = 0; at < region.Length; at += buffer.Length)
        {
            ProcessMemory.Read(machine.Vmm.Process.Id, region.Address, [new PageRun((int)(at / PageBuffer.PageSize), (int)(buffer.Length / PageBuffer.PageSize))], buffer);
            RandomAccess.Write(file, buffer.AsSpan(0, (int)buffer.Length), at);
        }
    }

    private static void CopyAll(Microsoft.Win32.SafeHandles.SafeFileHandle file, MemoryFile memory)
    {
        var buffer = new byte[4 << 20];
        for (long at = 0; at < memory.Length; at += buffer.Length)
        {
            var got = RandomAccess.Read(file, buffer, at);
            RandomAccess.Write(memory.Handle, buffer.AsSpan(0, got), at);
        }
    }
}
