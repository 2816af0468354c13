using FsCheck.Xunit;
using Mitos.Engine.Capacity;
using Mitos.Engine.Errors;
using Mitos.Engine.Tests.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Capacity;

public sealed class HostCapacityTests
{
    private const long MiB = 1 << 20;

    [Property(MaxTest = 300)]
    public void What_is_promised_is_never_more_than_there_is_and_never_negative((byte Memory, byte Disk, bool Release)[] steps, byte memory, byte disk)
    {
        // in MiB, beside what stays reserved for the host
        var capacity = new HostCapacity(new EngineOptions { ReservedMemoryBytes = 10 * MiB, ReservedDiskBytes = 20 * MiB }, () => (10 + memory) * MiB, () => (20 + disk) * MiB);
        var promises = new List<(IDisposable Promise, int Memory, int Disk)>();
        foreach (var (wantMemory, wantDisk, release) in steps)
        {
            if (release && promises.Count > 0)
            {
                promises[0].Promise.Dispose();
                promises[0].Promise.Dispose(); // twice is once
                promises.RemoveAt(0);
                continue;
            }
            var fits = wantMemory <= memory - promises.Sum(promise => promise.Memory) && wantDisk <= disk - promises.Sum(promise => promise.Disk);
            if (fits)
                promises.Add((capacity.Reserve("It", wantMemory * MiB, wantDisk * MiB), wantMemory, wantDisk));
            else
                Refusal.Check(ErrorCode.Exhausted, "It", () => capacity.Reserve("It", wantMemory * MiB, wantDisk * MiB));
        }
        promises.ForEach(promise => promise.Promise.Dispose());
        capacity.Reserve("All", memory * MiB, disk * MiB).Dispose(); // nothing stayed promised
    }

    [Fact]
    public void A_refusal_says_who_needs_how_much_and_what_is_free()
    {
        var capacity = new HostCapacity(new EngineOptions { StateDirectory = "/some/where", ReservedMemoryBytes = 512 * MiB, ReservedDiskBytes = 1024 * MiB }, () => 612 * MiB, () => 1524 * MiB);
        using var promise = capacity.Reserve("A sandbox", 40 * MiB, 400 * MiB);
        var memory = Refusal.Check(ErrorCode.Exhausted, "A fork of sandbox 'x' into 3", () => capacity.Reserve("A fork of sandbox 'x' into 3", 61 * MiB, 0));
        Assert.Contains("61 MiB of memory, and 60 MiB are free (512 MiB stay reserved", memory.Message, StringComparison.Ordinal);
        var disk = Refusal.Check(ErrorCode.Exhausted, "/some/where", () => capacity.Reserve("It", 60 * MiB, 101 * MiB));
        Assert.Contains("101 MiB of disk in /some/where, and 100 MiB are free (1024 MiB stay reserved)", disk.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_with_less_than_its_reserve_has_nothing_free_and_not_less()
    {
        var capacity = new HostCapacity(new EngineOptions { ReservedMemoryBytes = 512 * MiB }, () => 100 * MiB, () => 0);
        Assert.Contains("and 0 MiB are free", Refusal.Check(ErrorCode.Exhausted, "It", () => capacity.Reserve("It", 1, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Less_than_nothing_cannot_be_promised()
    {
        var capacity = new HostCapacity(new EngineOptions(), () => long.MaxValue, () => long.MaxValue);
        Assert.Throws<ArgumentOutOfRangeException>(() => capacity.Reserve("It", -1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => capacity.Reserve("It", 0, -1));
    }

    [Fact]
    public async Task Many_at_once_get_no_more_than_there_is()
    {
        var capacity = new HostCapacity(new EngineOptions { ReservedMemoryBytes = 0, ReservedDiskBytes = 0 }, () => 100, () => 100);
        var granted = 0;
        await Parallel.ForAsync(0, 1000, (_, _) =>
        {
            try
            {
                capacity.Reserve("It", 1, 1);
                Interlocked.Increment(ref granted);
            }
            catch (SandboxException)
            {
                // the others
            }
            return ValueTask.CompletedTask;
        });
        Assert.Equal(100, granted);
    }

    [Fact]
    public void The_host_s_own_numbers_are_read()
    {
        using var scratch = new Scratch();
        var capacity = new HostCapacity(new EngineOptions { StateDirectory = scratch.Root, ReservedMemoryBytes = 0, ReservedDiskBytes = 0 });
        Assert.InRange(HostCapacity.ReadMemoryAvailable(), MiB, HostCapacity.ReadMemoryTotal());
        capacity.Reserve("A little", MiB, MiB).Dispose();
        Refusal.Check(ErrorCode.Exhausted, "Too much", () => capacity.Reserve("Too much", HostCapacity.ReadMemoryTotal() + MiB, 0));
        Refusal.Check(ErrorCode.Exhausted, scratch.Root, () => capacity.Reserve("Too much", 0, 1L << 60));
    }
}
