using Mitos.Probe.Tests.Vmm;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Mitos.Probe.Tests;

public sealed class BootTests
{
    [Theory]
    [InlineData(64)]
    [InlineData(256)]
    [InlineData(4096)]
    public async Task It_boots_and_sees_all_memory(long memoryMiB)
    {
        await using var machine = new Qemu(new QemuOptions { MemoryMiB = memoryMiB });
        await using var probe = await machine.ConnectAsync();
        var facts = await probe.IdentifyAsync(Limit.Token);
        Assert.Equal((ulong)memoryMiB << 20, facts.MemoryBytes);
        Assert.Equal(ProbeBoot.Pvh, facts.Boot);
        Assert.Equal(memoryMiB > 3072 ? 2 : 1, facts.Memory.Count);
        Assert.Equal(1UL << 20, facts.Memory[0].Start);
        Assert.Equal([new ProbeDisk(2048, false)], facts.Disks);
        Assert.Equal((0UL, 0UL, 1UL), (facts.VsockContextId, facts.Generation, facts.Connects));
        Assert.Contains("probe: up", machine.ReadConsole(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_lies_in_the_file_where_the_facts_say()
    {
        await using var machine = new Qemu(new QemuOptions { MemoryMiB = 4096 });
        await using var probe = await machine.ConnectAsync();
        var facts = await probe.IdentifyAsync(Limit.Token);
        foreach (var range in facts.Memory)
        {
            var address = range.End - 65536;
            await probe.FillAsync(address, 65536, 11, Limit.Token);
            var expected = new byte[65536];
            ProbePattern.Fill(expected, address, 11);
            Assert.Equal(expected, await machine.ReadMemoryAsync(facts.FileOffset(address), expected.Length));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => facts.FileOffset(0xE000_0000));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task It_finds_its_devices_by_acpi_and_by_command_line_in_either_layout(bool acpi, bool legacy)
    {
        await using var machine = new Qemu(new QemuOptions { Acpi = acpi, Legacy = legacy });
        await using var probe = await machine.ConnectAsync();
        await probe.WriteDiskAsync(0, 5, [.. Enumerable.Repeat((byte)7, 512)], Limit.Token);
        Assert.Equal(7, (await probe.ReadDiskAsync(0, 5, 512, Limit.Token))[511]);
    }

    [Fact]
    public async Task It_boots_by_linuxs_64_bit_protocol()
    {
        await using var machine = new Qemu(new QemuOptions { MemoryMiB = 4096, Image = Path.Combine(AppContext.BaseDirectory, "probe-linux64.elf") });
        await using var probe = await machine.ConnectAsync();
        var facts = await probe.IdentifyAsync(Limit.Token);
        Assert.Equal((ProbeBoot.Linux64, 4096UL << 20, 2), (facts.Boot, facts.MemoryBytes, facts.Memory.Count));
        Assert.Single(facts.Disks);
    }

    [Fact]
    public async Task Each_boot_has_an_id_of_its_own()
    {
        var ids = new HashSet<ulong>();
        for (var i = 0; i < 3; i++)
        {
            await using var machine = new Qemu(new QemuOptions());
            await using var probe = await machine.ConnectAsync();
            ids.Add((await probe.IdentifyAsync(Limit.Token)).BootId);
        }
        Assert.Equal(3, ids.Count);
    }

    [Fact]
    public async Task Without_another_channel_the_uart_is_one()
    {
        await using var machine = new Qemu(new QemuOptions { AgentPort = false, SerialSocket = true });
        await using var probe = await machine.ConnectAsync(ProbeEndpoint.Socket(Path.Combine(machine.Directory, "serial")));
        await probe.FillAsync(16 << 20, 4096, 3, Limit.Token);
        var expected = new byte[4096];
        ProbePattern.Fill(expected, 16 << 20, 3);
        Assert.Equal(ProbePattern.Checksum(expected), await probe.ChecksumAsync(16 << 20, 4096, Limit.Token));
    }

    /// <summary>Small ranges: a KVM that emulates each instruction is some hundred times slower than one that runs them.</summary>
    [Fact]
    public async Task It_runs_under_kvm()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable("MITOS_TEST_KVM") == "1", "MITOS_TEST_KVM=1 runs the probe on /dev/kvm; it is not set.");
        await using var machine = new Qemu(new QemuOptions { MemoryMiB = 256, Kvm = true });
        await using var probe = await machine.ConnectAsync();
        Assert.Equal(256UL << 20, (await probe.IdentifyAsync(Limit.Token)).MemoryBytes);
        await probe.FillAsync(16 << 20, 65536, 3, Limit.Token);
        Assert.Equal(ProbePattern.Checksum(await machine.ReadMemoryAsync(16 << 20, 65536)), await probe.ChecksumAsync(16 << 20, 65536, Limit.Token));
        var clocks = await probe.ReadClocksAsync(Limit.Token);
        Assert.True((await probe.ReadClocksAsync(Limit.Token)).KvmClockNs > clocks.KvmClockNs);
        await probe.StartInvariantAsync(16 << 20, 17 << 20, Limit.Token);
        await probe.RunInvariantAsync(10_000);
        Assert.Equal(0UL, (await probe.StopInvariantAsync(Limit.Token)).Violations);
        await probe.PowerOffAsync(Limit.Token);
        await machine.Exited.WaitAsync(TimeSpan.FromMinutes(1));
    }
}
