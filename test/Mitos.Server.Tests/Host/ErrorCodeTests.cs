using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Api;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class ErrorCodeTests(ServerFixture server)
{
    [Fact]
    public async Task Every_code_is_reached_by_what_its_description_says()
    {
        await using var sandbox = await server.CreateAsync("coded");
        using var plain = server.Connect(null);
        using var strange = new StringContent("", null, "text/plain");
        using var large = new ByteArrayContent(new byte[(32 << 20) + 1]) { Headers = { ContentType = new("application/json") } };
        var reached = new List<ErrorBody>
        {
            await server.Http.PostJsonAsync("v1/sandboxes", "{").RefusedAsync(400),
            await server.Http.PostAsync("v1/keys", strange).RefusedAsync(415),
            await plain.GetAsync("v1/sandboxes").RefusedAsync(401),
            await server.Http.GetAsync("v1/teams").RefusedAsync(403),
            await server.Http.GetAsync("v1/sandboxes/nobody").RefusedAsync(404),
            await server.Http.PatchAsync("v1/keys", null).RefusedAsync(405),
            await server.Http.PostJsonAsync("v1/sandboxes", """{"name":"coded"}""").RefusedAsync(409),
            await server.Http.DeleteAsync("v1/templates/base").RefusedAsync(412),
            await server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Post, "v1/keys") { Content = large, Headers = { ExpectContinue = true } }).RefusedAsync(413),
            await FailBuildAsync(),
            await HangAsync(sandbox),
            await DieAsync(sandbox),
        };
        var (status, defect) = Errors.Describe(new InvalidDataException("a defect")); // cannot be provoked from outside: whatever can is a defect
        Assert.Equal(500, status);
        Assert.Contains("a defect", defect.Message, StringComparison.Ordinal);
        Assert.Equal(HttpRequests.AllErrorCodes.Order(), reached.Append(defect).Select(error => error.Code).Distinct().Order());
    }

    // The answer has begun when a step fails: the error is its last line.
    private async Task<ErrorBody> FailBuildAsync()
    {
        using var response = await server.Http.PostJsonAsync("v1/templates", """{"name":"uncoded","steps":[{"run":"exit 4"}]}""");
        var lines = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        var last = JsonDocument.Parse(lines.TrimEnd().Split('\n')[^1]);
        return HttpRequests.ReadError(last.RootElement.GetProperty("error").GetRawText());
    }

    // The same engine behind a second server that is less patient with guests.
    private async Task<ErrorBody> HangAsync(SandboxOfTest sandbox)
    {
        var socket = Path.Combine(server.Options.RunDirectory, "impatient.sock");
        await using var impatient = ServerHost.Build(socket, null, server.Engine, server.State, guestLimit: TimeSpan.FromSeconds(1));
        await impatient.StartAsync();
        using var http = server.ConnectLocal(socket);
        Vmm.Signal(sandbox.VmmPid, Vmm.Stop);
        var error = await http.GetAsync($"v1/sandboxes/{sandbox.Id}/files/stat?path=/").RefusedAsync(504);
        Vmm.Signal(sandbox.VmmPid, Vmm.Continue);
        Assert.Contains(sandbox.Id, error.Message, StringComparison.Ordinal);
        await http.GetAsync($"v1/sandboxes/{sandbox.Id}/files/stat?path=/").ReadAsync();
        return error;
    }

    private async Task<ErrorBody> DieAsync(SandboxOfTest sandbox)
    {
        var running = server.Http.PostJsonAsync($"v1/sandboxes/{sandbox.Id}/exec", """{"argv":["sleep","1000"]}""").RefusedAsync(503);
        await Exec.Processes.AwaitProcessAsync(server, sandbox.Id, process => process.ExitCode is null);
        Vmm.Signal(sandbox.VmmPid, Vmm.Kill);
        return await running;
    }
}
