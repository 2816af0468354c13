using System.Text;
using Mitos.Probe.Tests.Vmm;
using Mitos.Probe.Tests.Vsock;

namespace Mitos.Probe.Tests;

/// <summary>The channel under Firecracker, on a vsock device that QEMU presents and this process serves.</summary>
public sealed class VsockTests
{
    [Theory]
    [InlineData(100u)] // far less than an answer: the guest waits for credit again and again
    [InlineData(65536u)]
    public async Task It_answers_within_the_hosts_window(uint window)
    {
        using var vsock = new VsockHost(window);
        await using var machine = Start(vsock, agentPort: false);
        await using var probe = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        foreach (var length in new[] { 0, 100, 4052, 4053, 8192 })
        {
            var bytes = new byte[length];
            new Random(length).NextBytes(bytes);
            Assert.Equal(bytes, await probe.PingAsync(bytes, Limit.Token));
        }
        var facts = await probe.IdentifyAsync(Limit.Token);
        Assert.Equal((VsockHost.GuestContextId, 0UL, 1UL), (facts.VsockContextId, facts.TransportResets, facts.Connects));
    }

    [Fact]
    public async Task More_than_its_own_window_can_be_sent_to_it()
    {
        using var vsock = new VsockHost(65536);
        await using var machine = Start(vsock, agentPort: false);
        await using var probe = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        for (var i = 0; i < 50; i++)
            Assert.Equal(8192, (await probe.PingAsync(new byte[8192], Limit.Token)).Length);
        Assert.True(vsock.Seen[VsockOperation.CreditUpdate] > 0);
    }

    [Fact]
    public async Task At_other_ports_nobody_listens()
    {
        using var vsock = new VsockHost(65536);
        await using var machine = Start(vsock, agentPort: false);
        await (await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath))).DisposeAsync();
        await Assert.ThrowsAsync<IOException>(async () => await ProbeEndpoint.Vsock(vsock.HostPath, 1025)(Limit.Token));
    }

    [Fact]
    public async Task A_later_host_takes_the_place_of_an_earlier_one()
    {
        using var vsock = new VsockHost(65536);
        await using var machine = Start(vsock, agentPort: false);
        await using var first = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        await using var second = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        Assert.Equal(2UL, (await second.IdentifyAsync(Limit.Token)).Connects);
        await Assert.ThrowsAnyAsync<IOException>(() => first.PingAsync([1], Limit.Token));
        await second.DisposeAsync();
        await using var third = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        Assert.Equal(3UL, (await third.IdentifyAsync(Limit.Token)).Connects);
    }

    [Fact]
    public async Task Both_channels_serve_at_once()
    {
        using var vsock = new VsockHost(65536);
        await using var machine = Start(vsock, agentPort: true);
        await using var one = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        await using var other = await machine.ConnectAsync();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(async i =>
        {
            var bytes = Encoding.ASCII.GetBytes($"message {i}");
            Assert.Equal(bytes, await (i % 2 == 0 ? one : other).PingAsync(bytes, Limit.Token));
        }));
    }

    /// <summary>
    /// Firecracker resets the transport at each snapshot: an event in the third queue. QEMU serves that queue itself and sends nothing, so
    /// the test does in the guest's memory what the device would do.
    /// </summary>
    [Fact]
    public async Task A_reset_transport_drops_the_stream_and_the_next_one_works()
    {
        using var vsock = new VsockHost(65536);
        await using var machine = Start(vsock, agentPort: false);
        await using var probe = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        var queue = ElfSymbols.AddressOf(ProbeImage.Path, "events");
        const int Available = 16 * 16, Used = 4096;
        var given = BitConverter.ToUInt16(await machine.ReadMemoryAsync(queue + Available + 2, 2));
        var descriptor = BitConverter.ToUInt16(await machine.ReadMemoryAsync(queue + Available + 4, 2));
        await machine.WriteMemoryAsync(queue + Used + 4, [.. BitConverter.GetBytes((uint)descriptor), .. BitConverter.GetBytes(4u)]);
        await machine.WriteMemoryAsync(queue + Used + 2, BitConverter.GetBytes((ushort)1));

        var limit = Limit.Token;
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            while (true)
                await probe.PingAsync([1], limit);
        });
        await using var again = await machine.ConnectAsync(ProbeEndpoint.Vsock(vsock.HostPath));
        Assert.Equal(1UL, (await again.IdentifyAsync(Limit.Token)).TransportResets);
        Assert.Equal(given + 1, BitConverter.ToUInt16(await machine.ReadMemoryAsync(queue + Available + 2, 2)));
    }

    // Vsock devices exist only in the modern layout.
    private static Qemu Start(VsockHost vsock, bool agentPort) => new(new QemuOptions { Legacy = false, AgentPort = agentPort, VsockSocket = vsock.DevicePath });
}
