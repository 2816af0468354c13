using System.Diagnostics;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

public sealed class ProcessTests : IDisposable
{
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public async Task It_tells_its_version()
    {
        Assert.Equal((0, "Firecracker v1.16.1\n\n", ""), await RunAsync("--version"));
        Assert.Equal((0, "v10.0.0\n", ""), await RunAsync("--snapshot-version"));
        _fake.SetPlan(new FakePlan { Version = "1.14.3" });
        Assert.Equal((0, "Firecracker v1.14.3\n\n", ""), await RunAsync("--version"));
        Assert.Equal((0, "v8.0.0\n", ""), await RunAsync("--snapshot-version"));
    }

    [Theory]
    [InlineData("Found argument 'fast' which wasn't expected", "--fast")]
    [InlineData("Found argument 'x' which wasn't expected", "x")]
    [InlineData("The argument 'id' requires a value", "--id", "--no-seccomp")]
    [InlineData("The argument 'id' was provided more than once", "--id", "a", "--id", "b")]
    [InlineData("'no-seccomp' cannot be used together with argument 'seccomp-filter'", "--no-seccomp", "--seccomp-filter", "f")]
    [InlineData("Argument 'config-file' required", "--no-api")]
    public async Task Wrong_arguments_end_it(string words, params string[] arguments)
    {
        var (code, _, error) = await RunAsync(arguments);
        Assert.Equal(153, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_that_exists_ends_it()
    {
        var path = Path.Combine(_fake.Directory, "taken");
        await File.WriteAllTextAsync(path, "");
        var (code, _, error) = await RunAsync("--api-sock", path);
        Assert.Equal(1, code);
        Assert.Contains("Failed to open the API socket at:", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_id_of_other_characters_ends_it() => Assert.Equal(1, (await RunAsync("--id", "a_b")).Code);

    [Fact]
    public async Task It_starts_with_an_empty_environment_and_takes_what_firecracker_takes()
    {
        await using var process = new FakeProcess(_fake, "m", "--no-seccomp", "--log-path", "log", "--level", "Info", "--boot-timer", "--enable-pci");
        Assert.Equal((200, """{"id":"m","state":"Not started","vmm_version":"1.16.1","app_name":"Firecracker"}"""), await process.SendAsync("GET", "/"));
        Assert.Equal((200, """{"firecracker_version":"1.16.1"}"""), await process.SendAsync("GET", "/version"));
    }

    [Fact]
    public async Task A_configuration_in_a_file_is_started()
    {
        var file = Path.Combine(_fake.Directory, "machine.json");
        await File.WriteAllTextAsync(file, $$$"""
            {"boot-source":{"kernel_image_path":"{{{ProbeImage.Path}}}"},"machine-config":{"vcpu_count":1,"mem_size_mib":32},
             "drives":[{"drive_id":"a","path_on_host":"{{{ProbeImage.Path}}}","is_root_device":true,"is_read_only":true}],"vsock":{"guest_cid":4,"uds_path":"v.sock"}}
            """);
        await using var process = new FakeProcess(_fake, "m", "--config-file", file);
        Assert.Equal("Running", await process.StateAsync());
        await using var probe = await process.ConnectAsync();
        var facts = await probe.IdentifyAsync(FakeProcess.Token);
        Assert.Equal((32UL << 20, 4UL, true), (facts.MemoryBytes, facts.VsockContextId, facts.Disks.Single().IsReadOnly));

        await File.WriteAllTextAsync(file, """{"machine-config":{"vcpu_count":1,"mem_size_mib":32}}""");
        await using var refused = new FakeProcess(_fake, "m", "--config-file", file);
        var (code, words) = await refused.ExitAsync();
        Assert.Equal(1, code);
        Assert.Contains("without kernel configuration", words, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(_fake.Binary, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(FakeProcess.Token);
        return (process.ExitCode, await output, await error);
    }
}
