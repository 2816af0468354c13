using System.Buffers.Binary;
using Mitos.Probe.Tests.Vmm;

namespace Mitos.Probe.Tests;

public sealed class InvariantTests
{
    private const int First = 16 << 20, Second = (48 << 20) + 4096;

    [Fact]
    public async Task It_holds_at_any_instant_at_which_the_machine_is_stopped()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        using var monitor = await machine.ConnectMonitorAsync();
        await probe.StartInvariantAsync(First, Second, Limit.Token);
        var last = 0UL;
        for (var i = 0; i < 50; i++)
        {
            await monitor.RunAsync("stop");
            var (a, b) = await ReadAsync(machine);
            Assert.True(a == b || a == b + 1, $"first counter {a}, second {b}");
            Assert.True(a >= last);
            last = a;
            await monitor.RunAsync("cont");
        }
        var report = await probe.StopInvariantAsync(Limit.Token);
        Assert.True(report.Iterations > last);
        Assert.Equal((false, 0UL, (ulong)First, (ulong)Second), (report.IsRunning, report.Violations, report.FirstPage, report.SecondPage));
        var (finalA, finalB) = await ReadAsync(machine);
        Assert.Equal((report.Iterations, report.Iterations), (finalA, finalB));
    }

    /// <summary>The check can fail: a page of an older instant is noticed.</summary>
    [Theory]
    [InlineData(First)]
    [InlineData(Second)]
    public async Task A_page_of_another_instant_is_a_violation(int page)
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        using var monitor = await machine.ConnectMonitorAsync();
        await probe.StartInvariantAsync(First, Second, Limit.Token);
        await probe.RunInvariantAsync(1_000_000);
        var old = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(old, 12345);
        var report = await probe.ReportInvariantAsync(Limit.Token);
        // Stopped between its check and its write it overwrites the word unseen: again.
        for (var attempt = 0; attempt < 50 && report.Violations == 0; attempt++)
        {
            await monitor.RunAsync("stop");
            await machine.WriteMemoryAsync(page, old);
            await monitor.RunAsync("cont");
            report = await probe.ReportInvariantAsync(Limit.Token);
        }
        Assert.Equal((true, 1UL, 12345UL), (report.IsRunning, report.Violations, page == First ? report.LastFirst : report.LastSecond));
        Assert.Equal(report.LastExpected, page == First ? report.LastSecond : report.LastFirst);
    }

    [Fact]
    public async Task Starting_again_begins_anew()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await probe.StartInvariantAsync(First, Second, Limit.Token);
        await probe.StopInvariantAsync(Limit.Token);
        var stopped = await probe.ReportInvariantAsync(Limit.Token);
        Assert.Equal(stopped, await probe.ReportInvariantAsync(Limit.Token));
        await probe.StartInvariantAsync(Second, First, Limit.Token);
        var report = await probe.StopInvariantAsync(Limit.Token);
        Assert.Equal(((ulong)Second, (ulong)First, 0UL), (report.FirstPage, report.SecondPage, report.Violations));
    }

    private static async Task<(ulong A, ulong B)> ReadAsync(Qemu machine) => (
        BinaryPrimitives.ReadUInt64LittleEndian(await machine.ReadMemoryAsync(First, 8)),
        BinaryPrimitives.ReadUInt64LittleEndian(await machine.ReadMemoryAsync(Second, 8)));
}
