using System.Buffers.Binary;
using Mitos.Probe.Tests.Vmm;
using Mitos.Protocol.Messages;

namespace Mitos.Probe.Tests;

public sealed class CommandTests
{
    private const ulong MiB = 1 << 20;

    [Fact]
    public async Task Ping_gives_back_what_it_got()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        foreach (var length in new[] { 0, 1, 253, 254, 255, 4096, 8192 })
        {
            var bytes = new byte[length];
            new Random(length).NextBytes(bytes);
            Assert.Equal(bytes, await probe.PingAsync(bytes, Limit.Token));
            Assert.Equal(new byte[length], await probe.PingAsync(new byte[length], Limit.Token)); // zeros are what the encoding is about
        }
    }

    [Fact]
    public async Task Fill_writes_the_pattern_and_nothing_else()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await probe.FillAsync((32 * MiB) + 8, MiB, 42, Limit.Token);
        var expected = new byte[(int)MiB + 16];
        ProbePattern.Fill(expected.AsSpan(8, (int)MiB), (32 * MiB) + 8, 42);
        Assert.Equal(expected, await machine.ReadMemoryAsync(32 << 20, expected.Length));
        Assert.Equal(ProbePattern.Checksum(expected), await probe.ChecksumAsync(32 * MiB, (ulong)expected.Length, Limit.Token));
    }

    [Fact]
    public async Task Checksum_is_of_the_memory_that_the_host_sees()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var bytes = new byte[MiB];
        new Random(1).NextBytes(bytes);
        await machine.WriteMemoryAsync(48 << 20, bytes);
        Assert.Equal(ProbePattern.Checksum(bytes), await probe.ChecksumAsync(48 * MiB, MiB, Limit.Token));
        await machine.WriteMemoryAsync((48 << 20) + 777, [(byte)(bytes[777] ^ 1)]);
        Assert.NotEqual(ProbePattern.Checksum(bytes), await probe.ChecksumAsync(48 * MiB, MiB, Limit.Token));
    }

    [Fact]
    public async Task Dirty_writes_one_word_of_each_page()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await probe.DirtyAsync(32 * MiB, 10, 8192, 9, Limit.Token);
        await probe.DirtyAsync(32 * MiB, 0, 4096, 9, Limit.Token);
        var memory = await machine.ReadMemoryAsync(32 << 20, 20 * 4096);
        for (var at = 0; at < memory.Length; at += 8)
            Assert.Equal(at % 8192 == 0 ? ProbePattern.Word(9, (32 * MiB) + (ulong)at) : 0, BinaryPrimitives.ReadUInt64LittleEndian(memory.AsSpan(at)));
    }

    [Fact]
    public async Task Ranges_that_are_not_the_hosts_are_refused_and_unharmed()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var image = (await probe.IdentifyAsync(Limit.Token)).Image;
        foreach (var (address, length) in new[]
        {
            (0UL, 4096UL), (MiB - 8, 16UL), (64 * MiB, 8UL), ((64 * MiB) - 8, 16UL), (0x4000_0000UL, 8UL), (ulong.MaxValue - 7, 8UL), (8UL, ulong.MaxValue - 7),
            (32 * MiB, ulong.MaxValue - (32 * MiB) + 1), (image.Start, 8UL), (image.End - 8, 16UL), (image.Start - 8, 16UL), (MiB, 63 * MiB), ((32 * MiB) + 1, 8UL), (32 * MiB, 7UL),
        })
        {
            var refused = await Assert.ThrowsAsync<ProbeException>(() => probe.FillAsync(address, length, 1, Limit.Token));
            Assert.Equal(AgentErrorCode.InvalidArgument, refused.Code);
        }
        foreach (var (address, pages, stride) in new[]
        {
            (64 * MiB, 1UL, 4096UL), (32 * MiB, 32UL, 32 * MiB), (32 * MiB, ulong.MaxValue, 4096UL), (32 * MiB, 2UL, ulong.MaxValue - 4095), (32 * MiB, 2UL, 0UL),
            ((32 * MiB) + 8, 1UL, 4096UL), (32 * MiB, 1UL, 8UL), (image.Start, 1UL, 4096UL),
        })
        {
            await Assert.ThrowsAsync<ProbeException>(() => probe.DirtyAsync(address, pages, stride, 1, Limit.Token));
        }
        await Assert.ThrowsAsync<ProbeException>(() => probe.ChecksumAsync(0, 8, Limit.Token));
        await Assert.ThrowsAsync<ProbeException>(() => probe.ChecksumAsync(64 * MiB, 8, Limit.Token));
        await Assert.ThrowsAsync<ProbeException>(() => probe.StartInvariantAsync(32 * MiB, 32 * MiB, Limit.Token));
        await Assert.ThrowsAsync<ProbeException>(() => probe.StartInvariantAsync((32 * MiB) + 8, 33 * MiB, Limit.Token));
        await Assert.ThrowsAsync<ProbeException>(() => probe.StartInvariantAsync(image.Start, 33 * MiB, Limit.Token));
        Assert.Equal(new byte[(int)(32 * MiB)], await machine.ReadMemoryAsync(32 << 20, (int)(32 * MiB)));
        await probe.ChecksumAsync(image.Start, image.Length, Limit.Token);
    }

    [Fact]
    public async Task The_host_numbers_generations_and_the_probe_counts_requests()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var before = await probe.IdentifyAsync(Limit.Token);
        await probe.SetGenerationAsync(ulong.MaxValue, Limit.Token);
        var after = await probe.IdentifyAsync(Limit.Token);
        Assert.Equal((ulong.MaxValue, before.Requests + 2, before.BootId), (after.Generation, after.Requests, after.BootId));
    }

    [Fact]
    public async Task Clocks_go_on()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var first = await probe.ReadClocksAsync(Limit.Token);
        var next = first;
        var limit = Limit.Token;
        while (next.Ticks < first.Ticks + 3)
        {
            await Task.Delay(10, limit);
            next = await probe.ReadClocksAsync(limit);
        }
        Assert.True(next.TimestampCounter > first.TimestampCounter);
        Assert.Null(next.KvmClockNs);
    }

    [Fact]
    public async Task Halted_it_never_answers()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await probe.HaltAsync(Limit.Token);
        using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probe.PingAsync([], limit.Token));
        Assert.False(machine.Exited.IsCompleted);
    }

    [Fact]
    public async Task Powered_off_the_machine_ends()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await probe.PowerOffAsync(Limit.Token);
        await machine.Exited.WaitAsync(TimeSpan.FromMinutes(1));
    }
}
