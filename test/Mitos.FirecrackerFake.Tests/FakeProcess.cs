using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.FirecrackerFake.Plan;
using Mitos.Probe;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Mitos.FirecrackerFake.Tests;

/// <summary>One fake, in a directory of its own, and a client of its API by .NET's HTTP. It ends with the test.</summary>
public sealed class FakeProcess : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private readonly Process _process;
    private readonly HttpClient _client;
    private readonly Task<string> _errors;

    public FakeProcess(FakeInstallation installation, string id = "machine", params string[] arguments)
    {
        Directory = System.IO.Directory.CreateTempSubdirectory("mitos-fake-machine-").FullName;
        _process = Process.Start(new ProcessStartInfo(installation.Binary, ["--api-sock", "api", "--id", id, .. arguments]) { WorkingDirectory = Directory, RedirectStandardError = true })!;
        _errors = _process.StandardError.ReadToEndAsync();
        _client = new HttpClient(new SocketsHttpHandler { ConnectCallback = (_, token) => ConnectAsync(token) }) { BaseAddress = new Uri("http://localhost"), Timeout = Limit };
    }

    /// <summary>Its working directory, with <c>api</c> and whatever relative paths name.</summary>
    public string Directory { get; }

    public int Id => _process.Id;

    public string PathOf(string name) => Path.Combine(Directory, name);

    public async Task<(int Status, string Body)> SendAsync(string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null)
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { { "Content-Type", "application/json" } } };
        using var answer = await _client.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Sends what must be done.</summary>
    public async Task DoAsync(string method, string path, string body)
    {
        var (status, text) = await SendAsync(method, path, body);
        Assert.True(status == 204, $"{method} {path}: {status} {text}");
    }

    /// <summary>Sends what must be refused, and returns the fault's words.</summary>
    public async Task<string> RefusedAsync(string method, string path, string? body)
    {
        var (status, text) = await SendAsync(method, path, body);
        Assert.Equal(400, status);
        return (string)JsonNode.Parse(text)!["fault_message"]!;
    }

    public async Task<string> StateAsync() => (string)JsonNode.Parse((await SendAsync("GET", "/")).Body)!["state"]!;

    /// <summary>Boots the probe that is played, with a vsock at <c>v.sock</c>.</summary>
    public async Task BootAsync(int memoryMiB = 64, string? disk = null)
    {
        await DoAsync("PUT", "/machine-config", $$"""{"vcpu_count":1,"mem_size_mib":{{memoryMiB}}}""");
        await DoAsync("PUT", "/boot-source", $$"""{"kernel_image_path":"{{ProbeImage.Path}}"}""");
        await DoAsync("PUT", "/vsock", """{"guest_cid":3,"uds_path":"v.sock"}""");
        if (disk is not null)
            await DoAsync("PUT", "/drives/disk0", $$"""{"drive_id":"disk0","path_on_host":"{{disk}}","is_root_device":false,"is_read_only":false}""");
        await DoAsync("PUT", "/actions", """{"action_type":"InstanceStart"}""");
    }

    public Task PauseAsync() => DoAsync("PATCH", "/vm", """{"state":"Paused"}""");

    public Task ResumeAsync() => DoAsync("PATCH", "/vm", """{"state":"Resumed"}""");

    public Task LoadAsync(string state, string memory) =>
        DoAsync("PUT", "/snapshot/load", $$"""{"snapshot_path":"{{state}}","mem_backend":{"backend_type":"File","backend_path":"{{memory}}"},"resume_vm":false}""");

    public Task<ProbeClient> ConnectAsync() => ProbeClient.ConnectAsync(ProbeEndpoint.Vsock(PathOf("v.sock")), Token);

    /// <summary>Ends within a minute, with this code.</summary>
    public async Task<(int Code, string Words)> ExitAsync()
    {
        await _process.WaitForExitAsync(Token);
        return (_process.ExitCode, await _errors);
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _client.Dispose();
        _process.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    /// <summary>Against hanging.</summary>
    public static CancellationToken Token => new CancellationTokenSource(Limit).Token;

    /// <summary>A stream of bytes to the API's socket, as soon as it is there.</summary>
    public async ValueTask<Stream> ConnectAsync(CancellationToken token)
    {
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(PathOf("api")), token);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException) when (!_process.HasExited)
            {
                socket.Dispose();
                await Task.Delay(5, token);
            }
        }
    }
}
