using Mitos.Engine.Forks;
using Mitos.Engine.Machines;
using Mitos.Linux;

namespace Mitos.MachineTests;

/// <summary>What becomes of a capture that does not go well at once.</summary>
public sealed class CaptureTests(MachineFixture machines)
{
    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task A_capture_that_cannot_be_written_down_holds_no_layer_and_its_source_goes_on()
    {
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, "echo kept > /root/file; sync");
        var store = Insides.StoreOf(machines.Engine);
        var sandbox = store.Get(source.Id);
        var machine = sandbox.Machine!;
        var host = Insides.HostOf(machine);
        var writes = 0;
        void Journal()
        {
            if (++writes == 2) // after the pause
                throw new IOException("No space left on device");
            store.Write(sandbox);
        }

        var before = machine.Disk.Frozen;
        Assert.Throws<IOException>(() => new Capturer(host, MaxPause).Take(machine, Journal));
        var frozen = Assert.Single(machine.Disk.Frozen.Except(before));
        var child = (await machines.ForkAsync(source.Id, 1))[0];
        Assert.Equal("kept", await machines.RunAsync(child.Id, "echo 3 > /proc/sys/vm/drop_caches; cat /root/file"));
        await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        Assert.True(File.Exists(host.Layers.PathOf(frozen)));
        await machines.Sandboxes.RemoveAsync(source.Id, CancellationToken.None);
        Assert.False(File.Exists(host.Layers.PathOf(frozen)), "the capture still holds its layer");
    }

    [Fact]
    public async Task A_capture_that_does_not_fit_its_buffer_is_taken_again_exactly_and_of_a_deeper_disk()
    {
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, "head -c 24M /dev/urandom > /dev/shm/noise; echo first > /root/first; sync");
        var store = Insides.StoreOf(machines.Engine);
        var sandbox = store.Get(source.Id);
        var machine = sandbox.Machine!;
        var host = Insides.HostOf(machine);
        var before = machine.Disk.Frozen;
        var attempts = 0;
        void Journal()
        {
            store.Write(sandbox);
            if (++attempts == 2) // the source went on in between
                machines.RunAsync(source.Id, "echo second > /root/second; sync; head -c 1M /dev/urandom > /dev/shm/more").GetAwaiter().GetResult();
        }

        // the first buffer has room for a quarter of what there is
        var capturer = new Capturer(host, MaxPause) { Slack = -Capturer.ReadPrivateBytes(machine) };
        var (capture, pause) = await Task.Run(() => capturer.Take(machine, Journal, stays: true));
        var frozen = machine.Disk.Frozen.Except(before).ToList();
        using (capture)
        {
            using (var dump = Insides.Dump(machine))
            using (var rebuilt = Insides.Rebuild(capture.Generation, Assert.Single(capture.Runs), capture.Pages!, Assert.Single(capture.Regions).FileOffset))
                Assert.Equal(0, Insides.CountDifferences(rebuilt, dump));
            machine.Vmm.Resume(Deadline.In(MaxPause));
            Assert.Equal(2, attempts);
            Assert.False(pause.BufferTooSmall);
            Assert.Equal(2, frozen.Count); // one for each pause
            var (child, _) = await new Birth(host, Insides.ShellsOf(machines.Engine)).MakeAsync(capture, null, null, CancellationToken.None);
            await using var ended = child;
            await using var agent = MachineAgent.Open(child, "the child");
            Assert.Equal((0, "first second"), await MachineFixture.TryRunAsync(agent, "echo 3 > /proc/sys/vm/drop_caches; echo $(cat /root/first /root/second)"));
        }
        Assert.Equal("well", await machines.RunAsync(source.Id, "echo well"));
        Assert.Equal("second", await machines.RunAsync((await machines.ForkAsync(source.Id, 1))[0].Id, "cat /root/second"));
        await machines.RemoveAllAsync();
        Assert.All(frozen, layer => Assert.False(File.Exists(host.Layers.PathOf(layer)), "a layer was not let go"));
    }
}
