using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

/// <summary>Streams to the guest, and what snapshots and pauses do to them.</summary>
public sealed class VsockTests : IDisposable
{
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public async Task The_socket_is_there_from_its_configuration_on_and_answers_when_the_machine_runs()
    {
        await using var process = new FakeProcess(_fake);
        await process.DoAsync("PUT", "/vsock", """{"guest_cid":3,"uds_path":"v.sock"}""");
        Assert.True(File.Exists(process.PathOf("v.sock")));
        var early = process.ConnectAsync();
        await process.DoAsync("PUT", "/boot-source", $$"""{"kernel_image_path":"{{ProbeImage.Path}}"}""");
        await process.DoAsync("PUT", "/actions", """{"action_type":"InstanceStart"}""");
        await using var probe = await early;
        Assert.Equal(3UL, (await probe.IdentifyAsync(FakeProcess.Token)).VsockContextId);
        await Assert.ThrowsAsync<IOException>(async () => await ProbeEndpoint.Vsock(process.PathOf("v.sock"), 1025)(FakeProcess.Token));
    }

    [Fact]
    public async Task A_socket_that_exists_is_refused()
    {
        await using var process = new FakeProcess(_fake);
        await File.WriteAllTextAsync(process.PathOf("v.sock"), "");
        Assert.Equal("Vsock config error: Cannot create backend for vsock device: UnixBind(Address already in use (os error 98))",
            await process.RefusedAsync("PUT", "/vsock", """{"guest_cid":3,"uds_path":"v.sock"}"""));
    }

    [Fact]
    public async Task A_paused_guest_answers_when_it_runs_again()
    {
        _fake.SetPlan(new FakePlan { WithoutDefects = true });
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await using var probe = await process.ConnectAsync();
        await process.PauseAsync();
        var ping = probe.PingAsync([1], FakeProcess.Token);
        await Task.Delay(300);
        Assert.False(ping.IsCompleted);
        await process.ResumeAsync();
        Assert.Equal([1], await ping);

        await process.PauseAsync();
        var connect = process.ConnectAsync();
        await Task.Delay(300);
        Assert.False(connect.IsCompleted);
        await process.ResumeAsync();
        await (await connect).DisposeAsync();
    }

    [Fact]
    public async Task A_snapshot_ends_a_stream_and_the_host_learns_it_when_it_sends()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await using var probe = await process.ConnectAsync();
        await process.PauseAsync();
        await process.DoAsync("PUT", "/snapshot/create", """{"snapshot_path":"state","mem_file_path":"mem"}""");
        await process.ResumeAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => probe.PingAsync([1], FakeProcess.Token));
        await using var again = await process.ConnectAsync();
        Assert.Equal(1UL, (await again.IdentifyAsync(FakeProcess.Token)).TransportResets);
    }

    [Theory]
    [InlineData("1.16.1", true)]
    [InlineData("1.15.1", false)]
    public async Task A_pause_without_a_snapshot_holds_a_defective_release_back(string version, bool holds)
    {
        _fake.SetPlan(new FakePlan { Version = version });
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await process.PauseAsync();
        await process.ResumeAsync();
        var connect = process.ConnectAsync();
        if (holds)
        {
            await Task.Delay(300);
            Assert.False(connect.IsCompleted);
            await process.PauseAsync();
            await process.DoAsync("PUT", "/snapshot/create", """{"snapshot_path":"state","mem_file_path":"mem"}""");
            await process.ResumeAsync();
        }
        await (await connect).DisposeAsync();
    }

    [Fact]
    public async Task A_second_resume_holds_a_defective_release_back_too()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await process.PauseAsync();
        await process.DoAsync("PUT", "/snapshot/create", """{"snapshot_path":"state","mem_file_path":"mem"}""");
        await process.ResumeAsync();
        await (await process.ConnectAsync()).DisposeAsync();
        await process.ResumeAsync();
        using var limit = new CancellationTokenSource(300);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await ProbeEndpoint.Vsock(process.PathOf("v.sock"))(limit.Token));
    }

    [Fact]
    public async Task The_probe_that_is_played_refuses_as_the_real_one()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync(memoryMiB: 4096);
        await using var probe = await process.ConnectAsync();
        var facts = await probe.IdentifyAsync(FakeProcess.Token);
        Assert.Equal((4096UL << 20, 2), (facts.MemoryBytes, facts.Memory.Count));
        await probe.FillAsync((4UL << 30) + 4096, 4096, 1, FakeProcess.Token);
        Assert.Equal((3L << 30) + 4096, facts.FileOffset((4UL << 30) + 4096));
        foreach (var (address, length) in new[] { (0UL, 8UL), (3UL << 30, 8UL), (5UL << 30, 8UL), (facts.Image.Start, 8UL), ((1UL << 20) + 1, 8UL) })
            await Assert.ThrowsAsync<ProbeException>(() => probe.FillAsync(address, length, 1, FakeProcess.Token));
        await Assert.ThrowsAsync<ProbeException>(() => probe.ReadDiskAsync(0, 0, 512, FakeProcess.Token));
    }

    [Fact]
    public async Task Power_off_ends_the_process_and_halt_only_the_guest()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await using (var probe = await process.ConnectAsync())
        {
            await probe.HaltAsync(FakeProcess.Token);
            using var limit = new CancellationTokenSource(300);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probe.PingAsync([], limit.Token));
        }
        Assert.Equal("Running", await process.StateAsync());
        await using var other = new FakeProcess(_fake);
        await other.BootAsync();
        await using var otherProbe = await other.ConnectAsync();
        await otherProbe.PowerOffAsync(FakeProcess.Token);
        Assert.Equal(0, (await other.ExitAsync()).Code);
    }
}
