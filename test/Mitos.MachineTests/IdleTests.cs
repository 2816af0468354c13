namespace Mitos.MachineTests;

/// <summary>What sleeps costs nothing, times the number of forks on a host.</summary>
public sealed class IdleTests(MachineFixture machines)
{
    // A timer that nobody uses would wake QEMU 36 times in each second (docs/decisions/0013).
    [Fact]
    public async Task Of_some_seconds_of_an_idle_child_its_VMM_sleeps_through_one()
    {
        await using var source = await machines.CreateAsync();
        var child = (await machines.ForkAsync(source.Id, 1))[0];
        var least = int.MaxValue;
        for (var second = 0; second < 30 && least >= 20; second++)
        {
            var before = Wakes(child.VmmPid!.Value);
            await Task.Delay(1000);
            least = Math.Min(least, Wakes(child.VmmPid!.Value) - before);
        }
        Assert.InRange(least, 0, 19);
        await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
    }

    // Of the first thread, which has the main loop.
    private static int Wakes(int pid) => File.ReadLines($"/proc/{pid}/status").Where(line => line.StartsWith("voluntary_ctxt_switches:", StringComparison.Ordinal)).Select(line => int.Parse(line[24..])).Single();
}
