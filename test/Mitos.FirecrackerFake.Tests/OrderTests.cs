using System.Text;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

/// <summary>What may be asked when, and how it is refused.</summary>
public sealed class OrderTests : IDisposable
{
    private const string BeforeStart = "The requested operation is not supported before starting the microVM.";
    private const string AfterStart = "The requested operation is not supported after starting the microVM.";
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Theory]
    [InlineData("PATCH", "/vm", """{"state":"Paused"}""")]
    [InlineData("PUT", "/snapshot/create", """{"snapshot_path":"s","mem_file_path":"m"}""")]
    [InlineData("PATCH", "/drives/a", """{"drive_id":"a"}""")]
    [InlineData("PUT", "/actions", """{"action_type":"FlushMetrics"}""")]
    [InlineData("PUT", "/actions", """{"action_type":"SendCtrlAltDel"}""")]
    [InlineData("PATCH", "/balloon", """{"amount_mib":1}""")]
    public async Task Before_the_start_it_is_refused(string method, string path, string body)
    {
        await using var process = new FakeProcess(_fake);
        Assert.Equal(BeforeStart, await process.RefusedAsync(method, path, body));
    }

    [Fact]
    public async Task After_the_start_nothing_is_configured_any_more()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        Assert.Equal("Running", await process.StateAsync());
        foreach (var (method, path, body) in new[]
        {
            ("PUT", "/machine-config", """{"vcpu_count":1,"mem_size_mib":64}"""), ("PATCH", "/machine-config", """{"vcpu_count":1}"""),
            ("PUT", "/boot-source", $$"""{"kernel_image_path":"{{ProbeImage.Path}}"}"""), ("PUT", "/vsock", """{"guest_cid":3,"uds_path":"w.sock"}"""),
            ("PUT", "/drives/a", """{"drive_id":"a","is_root_device":false}"""), ("PUT", "/logger", "{}"), ("PUT", "/serial", "{}"), ("PUT", "/entropy", "{}"),
            ("PUT", "/actions", """{"action_type":"InstanceStart"}"""), ("PUT", "/snapshot/load", """{"snapshot_path":"s","mem_file_path":"m"}"""),
        })
        {
            Assert.Equal(AfterStart, await process.RefusedAsync(method, path, body));
        }
        await process.DoAsync("PUT", "/mmds", """{"a":1}""");
        await process.DoAsync("PUT", "/actions", """{"action_type":"FlushMetrics"}""");
    }

    [Fact]
    public async Task Pausing_and_resuming_change_the_state_and_may_be_repeated()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        await process.PauseAsync();
        await process.PauseAsync();
        Assert.Equal("Paused", await process.StateAsync());
        await process.ResumeAsync();
        await process.ResumeAsync();
        Assert.Equal("Running", await process.StateAsync());
    }

    [Fact]
    public async Task A_snapshot_needs_a_paused_machine()
    {
        await using var process = new FakeProcess(_fake);
        await process.BootAsync();
        Assert.Equal("Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore unavailable while running",
            await process.RefusedAsync("PUT", "/snapshot/create", """{"snapshot_path":"s","mem_file_path":"m"}"""));
        Assert.False(File.Exists(process.PathOf("s")));
    }

    [Theory]
    [InlineData("/logger", """{"log_path":"l"}""", true)]
    [InlineData("/metrics", """{"metrics_path":"m"}""", true)]
    [InlineData("/serial", """{"serial_out_path":"s"}""", true)]
    [InlineData("/mmds", "{}", true)]
    [InlineData("/cpu-config", "{}", true)]
    [InlineData("/machine-config", """{"vcpu_count":1,"mem_size_mib":64}""", false)]
    [InlineData("/vsock", """{"guest_cid":3,"uds_path":"v.sock"}""", false)]
    [InlineData("/entropy", "{}", false)]
    [InlineData("/balloon", """{"amount_mib":0,"deflate_on_oom":true}""", false)]
    [InlineData("/mmds/config", """{"network_interfaces":[]}""", false)]
    [InlineData("/network-interfaces/a", """{"iface_id":"a","host_dev_name":"tap"}""", false)]
    public async Task Before_a_load_only_some_things_may_be_configured(string path, string body, bool may)
    {
        await using var process = new FakeProcess(_fake);
        await process.DoAsync("PUT", path, body);
        var words = await process.RefusedAsync("PUT", "/snapshot/load", """{"snapshot_path":"none","mem_file_path":"none"}""");
        if (may)
        {
            Assert.Equal("Load snapshot error: Failed to restore from snapshot: Failed to get snapshot state from file: Failed to open snapshot file: No such file or directory (os error 2)", words);
            Assert.Equal(1, (await process.ExitAsync()).Code); // a failed load ends the process
        }
        else
        {
            Assert.Equal("Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.", words);
            Assert.Equal("Not started", await process.StateAsync());
        }
    }

    [Fact]
    public async Task A_start_needs_a_kernel()
    {
        await using var process = new FakeProcess(_fake);
        Assert.Equal("Start microvm error: Cannot start microvm without kernel configuration.", await process.RefusedAsync("PUT", "/actions", """{"action_type":"InstanceStart"}"""));
        Assert.Equal("Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)", await process.RefusedAsync("PUT", "/boot-source", """{"kernel_image_path":"none"}"""));
        await File.WriteAllTextAsync(process.PathOf("text"), "no kernel");
        await process.DoAsync("PUT", "/boot-source", """{"kernel_image_path":"text"}""");
        Assert.Contains("Invalid ELF magic number", await process.RefusedAsync("PUT", "/actions", """{"action_type":"InstanceStart"}"""), StringComparison.Ordinal);
        Assert.Equal("Not started", await process.StateAsync());
    }

    [Theory]
    [InlineData("PUT", "/vm", "{}", "Invalid request method and/or path: PUT vm.")]
    [InlineData("PUT", "/nothing", "{}", "Invalid request method and/or path: PUT nothing.")]
    [InlineData("PUT", "/snapshot/keep", "{}", "Invalid request method and/or path: PUT snapshot/keep.")]
    [InlineData("PUT", "/vsock", null, "Empty PUT request.")]
    [InlineData("PATCH", "/vm", null, "Empty PATCH request.")]
    [InlineData("GET", "/version", "{}", "GET request cannot have a body.")]
    [InlineData("PUT", "/drives/", "{}", "Invalid request method and/or path: PUT drives.")]
    [InlineData("PUT", "/drives/a-b", "{}", "API Resource IDs can only contain alphanumeric characters and underscores.")]
    [InlineData("PUT", "/drives/a", """{"drive_id":"b","is_root_device":false}""", "The id from the path does not match the id from the body!")]
    [InlineData("PUT", "/drives/a", """{"drive_id":"a","path_on_host":"none","is_root_device":false}""", "Drive config error: Unable to create the block device: Error manipulating the backing file: No such file or directory (os error 2) none")]
    [InlineData("PATCH", "/mmds", "{}", "MMDS error: The MMDS data store is not initialized.")]
    [InlineData("PUT", "/snapshot/load", """{"snapshot_path":"s"}""", "An error occurred when deserializing the json body of a request: missing field: either `mem_backend` or `mem_file_path` is required.")]
    [InlineData("PUT", "/snapshot/load", """{"snapshot_path":"s","huge_pages":"None","mem_file_path":"m"}""", null)]
    [InlineData("PUT", "/vsock", "{\"guest_cid\":3,", null)]
    [InlineData("PUT", "/machine-config", """{"vcpu_count":3,"mem_size_mib":64,"smt":true}""", null)]
    [InlineData("PUT", "/machine-config", """{"vcpu_count":1,"mem_size_mib":0}""", "Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.")]
    public async Task A_wrong_request_is_refused_in_firecrackers_words(string method, string path, string? body, string? words)
    {
        await using var process = new FakeProcess(_fake);
        var got = await process.RefusedAsync(method, path, body);
        if (words is not null)
            Assert.Equal(words, got);
        Assert.Equal("Not started", await process.StateAsync());
    }

    [Fact]
    public async Task A_younger_field_is_unknown_to_an_older_release()
    {
        _fake.SetPlan(new FakePlan { Version = "1.13.0" });
        await using var process = new FakeProcess(_fake);
        Assert.Equal("Invalid request method and/or path: PUT serial.", await process.RefusedAsync("PUT", "/serial", """{"serial_out_path":"s"}"""));
        Assert.Contains("unknown field `clock_realtime`", await process.RefusedAsync("PUT", "/snapshot/load", """{"snapshot_path":"s","mem_file_path":"m","clock_realtime":true}"""), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chunked_body_is_read_as_empty_and_a_long_one_refused()
    {
        await using var process = new FakeProcess(_fake);
        var chunked = await ExchangeAsync(process, "PUT /vsock HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n", chunked, StringComparison.Ordinal);
        Assert.Contains("Empty PUT request.", chunked, StringComparison.Ordinal);
        Assert.Contains("Request payload with size 51201 is larger than the limit of 51200 allowed by server.", await ExchangeAsync(process, "PUT /mmds HTTP/1.1\r\nContent-Length: 51201\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400 ", await ExchangeAsync(process, "DELETE / HTTP/1.1\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deprecated_field_is_marked()
    {
        await using var process = new FakeProcess(_fake);
        const string Body = """{"guest_cid":3,"uds_path":"v.sock","vsock_id":"v"}""";
        Assert.Contains("\r\nDeprecation: true\r\n", await ExchangeAsync(process, $"PUT /vsock HTTP/1.1\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"), StringComparison.Ordinal);
    }

    private static async Task<string> ExchangeAsync(FakeProcess process, string request)
    {
        await using var stream = await process.ConnectAsync(FakeProcess.Token);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
        var buffer = new byte[4096];
        return Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, FakeProcess.Token));
    }
}
