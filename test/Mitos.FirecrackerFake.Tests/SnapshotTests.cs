using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Machine;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

public sealed class SnapshotTests : IDisposable
{
    private const ulong MiB = 1 << 20;
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public void The_checksum_of_state_files_is_firecrackers() => Assert.Equal(0xFB04_60DE_0638_3654, Crc64.Compute([1, 2, 3, 4, 5]));

    [Fact]
    public async Task A_full_snapshot_is_the_machine()
    {
        await using var source = new FakeProcess(_fake, "source");
        await File.WriteAllBytesAsync(source.PathOf("disk"), new byte[8192]);
        await source.BootAsync(disk: source.PathOf("disk"));
        await using var probe = await source.ConnectAsync();
        await probe.SetGenerationAsync(7, FakeProcess.Token);
        await probe.FillAsync(16 * MiB, MiB, 3, FakeProcess.Token);
        await probe.WriteDiskAsync(0, 2, [.. Enumerable.Repeat((byte)9, 512)], FakeProcess.Token);
        var before = await probe.IdentifyAsync(FakeProcess.Token);
        await SaveAsync(source);
        Assert.Equal(64L << 20, new FileInfo(source.PathOf("mem")).Length);

        await using var child = new FakeProcess(_fake, "child");
        await child.LoadAsync(source.PathOf("state"), source.PathOf("mem"));
        Assert.Equal("Paused", await child.StateAsync());
        await child.ResumeAsync();
        await using var childProbe = await child.ConnectAsync();
        var facts = await childProbe.IdentifyAsync(FakeProcess.Token);
        Assert.Equal((before.BootId, 7UL, before.TransportResets + 1), (facts.BootId, facts.Generation, facts.TransportResets));
        var expected = new byte[MiB];
        ProbePattern.Fill(expected, 16 * MiB, 3);
        Assert.Equal(ProbePattern.Checksum(expected), await childProbe.ChecksumAsync(16 * MiB, MiB, FakeProcess.Token));
        Assert.Equal(9, (await childProbe.ReadDiskAsync(0, 2, 512, FakeProcess.Token))[0]);
    }

    [Fact]
    public async Task A_snapshot_has_the_limits_of_its_drives()
    {
        const string Limited = """{"bandwidth":{"size":1048576,"refill_time":1000}}""", Unlimited = """{"bandwidth":{"size":0,"refill_time":1000}}""";
        await using var source = new FakeProcess(_fake, "source");
        await File.WriteAllBytesAsync(source.PathOf("disk"), new byte[8192]);
        await source.BootAsync(disk: source.PathOf("disk"));
        await source.DoAsync("PATCH", "/drives/disk0", $$"""{"drive_id":"disk0","rate_limiter":{{Limited}}}""");
        await SaveAsync(source);
        await using var child = new FakeProcess(_fake, "child");
        await child.LoadAsync(source.PathOf("state"), source.PathOf("mem"));
        Assert.Equal(Limited, await LimiterAsync());
        await child.DoAsync("PATCH", "/drives/disk0", $$"""{"drive_id":"disk0","rate_limiter":{{Unlimited}}}""");
        Assert.Equal(Unlimited, await LimiterAsync());
        Assert.Contains("refill_time", await child.RefusedAsync("PATCH", "/drives/disk0", """{"drive_id":"disk0","rate_limiter":{"ops":{"size":1}}}"""), StringComparison.Ordinal);

        async Task<string> LimiterAsync() => JsonNode.Parse((await child.SendAsync("GET", "/vm/config")).Body)!["drives"]![0]!["rate_limiter"]!.ToJsonString();
    }

    [Fact]
    public async Task A_memory_file_that_cannot_be_opened_leaves_a_complete_state()
    {
        await using var source = new FakeProcess(_fake, "source");
        await source.BootAsync();
        await SaveAsync(source);
        await source.ResumeAsync();
        await using (var probe = await source.ConnectAsync())
            await probe.SetGenerationAsync(2, FakeProcess.Token);
        await source.PauseAsync();
        Assert.Equal("Create snapshot error: Cannot perform open on the memory backing file: Not a directory (os error 20)",
            await source.RefusedAsync("PUT", "/snapshot/create", """{"snapshot_path":"state1","mem_file_path":"/dev/null/none"}"""));
        await using var child = new FakeProcess(_fake, "child");
        await child.LoadAsync(source.PathOf("state1"), source.PathOf("mem"));
        await child.ResumeAsync();
        await using var childProbe = await child.ConnectAsync();
        Assert.Equal(0UL, (await childProbe.IdentifyAsync(FakeProcess.Token)).Generation); // memory of before: the delta is the engine's to bring
    }

    [Fact]
    public async Task An_implementation_of_another_order_leaves_no_state()
    {
        _fake.SetPlan(new FakePlan { OpensMemoryFirst = true });
        await using var source = new FakeProcess(_fake);
        await source.BootAsync();
        await source.PauseAsync();
        Assert.Contains("memory backing file", await source.RefusedAsync("PUT", "/snapshot/create", """{"snapshot_path":"state","mem_file_path":"/dev/null/none"}"""), StringComparison.Ordinal);
        Assert.False(File.Exists(source.PathOf("state")));
    }

    [Fact]
    public async Task A_child_takes_another_socket_and_another_disk()
    {
        await using var source = new FakeProcess(_fake, "source");
        await File.WriteAllBytesAsync(source.PathOf("disk"), new byte[4096]);
        await source.BootAsync(disk: source.PathOf("disk"));
        await SaveAsync(source);
        await using var child = new FakeProcess(_fake, "child");
        await child.DoAsync("PUT", "/snapshot/load",
            $$$"""{"snapshot_path":"{{{source.PathOf("state")}}}","mem_backend":{"backend_type":"File","backend_path":"{{{source.PathOf("mem")}}}"},"vsock_override":{"uds_path":"other.sock"}}""");
        await File.WriteAllBytesAsync(child.PathOf("disk"), new byte[8192]);
        await child.DoAsync("PATCH", "/drives/disk0", $$"""{"drive_id":"disk0","path_on_host":"{{child.PathOf("disk")}}"}""");
        Assert.Contains("there is no drive", await child.RefusedAsync("PATCH", "/drives/disk1", """{"drive_id":"disk1"}"""), StringComparison.Ordinal);
        await child.ResumeAsync();
        await using var probe = await ProbeClient.ConnectAsync(ProbeEndpoint.Vsock(child.PathOf("other.sock")), FakeProcess.Token);
        Assert.Equal(16UL, (await probe.IdentifyAsync(FakeProcess.Token)).Disks.Single().Sectors);
    }

    [Theory]
    [InlineData("state", "CRC64 validation failed")]
    [InlineData("short state", "Snapshot file is smaller than CRC length.")]
    [InlineData("other format", "Invalid data version: 11.0.0")]
    [InlineData("short memory", "Failed to load guest memory")]
    [InlineData("no memory", "No such file or directory (os error 2)")]
    [InlineData("no disk", "Error restoring block device")]
    [InlineData("socket", "Error binding to the host-side Unix socket: (Address already in use (os error 98))")]
    [InlineData("no interface", "Unknown Network Device.")]
    public async Task A_load_that_fails_ends_the_process(string what, string words)
    {
        await using var source = new FakeProcess(_fake, "source");
        await File.WriteAllBytesAsync(source.PathOf("disk"), new byte[4096]);
        await source.BootAsync(disk: source.PathOf("disk"));
        if (what == "other format")
            _fake.SetPlan(new FakePlan { Version = "1.17.0" });
        await SaveAsync(source);
        _fake.SetPlan(new FakePlan());
        await using var child = new FakeProcess(_fake, "child");
        var (state, memory) = (source.PathOf("state"), source.PathOf("mem"));
        switch (what)
        {
            case "state":
                var bytes = await File.ReadAllBytesAsync(state);
                bytes[^20] ^= 1;
                await File.WriteAllBytesAsync(state, bytes);
                break;
            case "short state":
                await File.WriteAllBytesAsync(state, new byte[7]);
                break;
            case "short memory":
                using (var file = File.OpenHandle(memory, FileMode.Open, FileAccess.Write))
                    RandomAccess.SetLength(file, 4096);
                break;
            case "no memory":
                File.Delete(memory);
                break;
            case "no disk":
                File.Delete(source.PathOf("disk"));
                break;
            case "socket":
                await File.WriteAllTextAsync(child.PathOf("v.sock"), "");
                break;
        }
        var overrides = what == "no interface" ? """, "network_overrides":[{"iface_id":"a","host_dev_name":"t"}]""" : "";
        Assert.Contains(words, await child.RefusedAsync("PUT", "/snapshot/load",
            $$$"""{"snapshot_path":"{{{state}}}","mem_backend":{"backend_type":"File","backend_path":"{{{memory}}}"}{{{overrides}}}}"""), StringComparison.Ordinal);
        Assert.Equal(1, (await child.ExitAsync()).Code);
    }

    [Fact]
    public async Task A_damaged_state_is_found_at_the_load()
    {
        await using var source = new FakeProcess(_fake, "source");
        await source.BootAsync();
        _fake.SetPlan(new FakePlan { DamagesState = true });
        await SaveAsync(source);
        await using var child = new FakeProcess(_fake, "child");
        Assert.Contains("CRC64", await child.RefusedAsync("PUT", "/snapshot/load", new JsonObject { ["snapshot_path"] = source.PathOf("state"), ["mem_file_path"] = source.PathOf("mem") }.ToJsonString()), StringComparison.Ordinal);
    }

    private static async Task SaveAsync(FakeProcess process)
    {
        await process.PauseAsync();
        await process.DoAsync("PUT", "/snapshot/create", """{"snapshot_type":"Full","snapshot_path":"state","mem_file_path":"mem"}""");
    }
}
