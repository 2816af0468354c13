using Mitos.Engine.Machines;
using Mitos.Engine.Sandboxes;
using Mitos.Linux;
using Mitos.Linux.Memory;

namespace Mitos.MachineTests;

/// <summary>A capture is the machine's memory, byte for byte, and a child's memory is the capture.</summary>
public sealed class ExactnessTests(MachineFixture machines)
{
    private static Deadline Soon => Deadline.In(TimeSpan.FromSeconds(30));

    [Fact]
    public async Task A_capture_and_a_loaded_child_equal_a_full_dump_of_the_source_taken_in_the_same_pause()
    {
        await using var lease = await machines.CreateAsync();
        await machines.RunAsync(lease.Id, "head -c 24M /dev/urandom > /dev/shm/noise; sync");
        await using var churn = await machines.StartAsync(lease.Id, "while :; do head -c 1M /dev/urandom > /dev/shm/churn; done");
        var machine = Insides.StoreOf(machines.Engine).Get(lease.Id).Machine!;
        var host = Insides.HostOf(machine);
        var generation = machine.Generation!;
        var length = generation.Memory.Length;

        machine.Vmm.PrepareSave(Soon);
        machine.Vmm.Pause(Soon);
        machine.Vmm.SaveDeviceState(Soon);
        var runs = new List<PageRun>();
        using var map = new PageMap(machine.Vmm.Process.Id);
        var region = Assert.Single(machine.Vmm.Memory);
        var pages = map.FindPrivate(region.Address, region.Length, runs);
        using var delta = new PageBuffer((long)pages * PageBuffer.PageSize);
        ProcessMemory.Read(machine.Vmm.Process.Id, region.Address, runs, delta);
        using var dump = Insides.Dump(machine);
        var byEntries = new List<PageRun>();
        map.FindPrivate(region.Address, region.Length, byEntries, useScan: false);
        machine.Vmm.Resume(Soon);
        var state = machine.Vmm.TakeDeviceState(Soon);

        Assert.True(pages > 24 << 8, $"{pages} pages");
        Assert.Equal(byEntries, runs);
        using var rebuilt = Insides.Rebuild(generation, runs, delta, region.FileOffset);
        Assert.Equal(0, Insides.CountDifferences(rebuilt, dump));

        await using var shell = host.StartShell(generation);
        using (var empty = new PageMap(shell.Vmm.Process.Id))
            Assert.Equal(0, empty.FindPrivate(shell.Vmm.Memory[0].Address, length, []));
        // QEMU goes on by itself once the state is in, so what that loaded is seen by the guest's being well.
        var differences = -1L;
        shell.Vmm.Load(state, regions =>
        {
            ProcessMemory.Write(shell.Vmm.Process.Id, regions[0].Address, runs, delta);
            using var child = Insides.Dump(shell);
            differences = Insides.CountDifferences(dump, child);
        }, Soon);
        Assert.Equal(0, differences);
        await using var agent = MachineAgent.Open(shell, "the child");
        await agent.PingAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }
}
