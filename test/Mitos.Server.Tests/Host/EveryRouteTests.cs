using System.Net.WebSockets;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class EveryRouteTests(ServerFixture server)
{
    /// <summary>The client compares each answer with the description: status, content type, and every field of its JSON.</summary>
    [Fact]
    public async Task Every_route_answers_as_it_is_described()
    {
        await server.EnsureBaseAsync();
        var box = (await server.Http.PostJsonAsync("v1/sandboxes", """{"name":"routes"}""").ReadAsync<SandboxBody>()).Id;
        var process = (await server.Client.OpenExecAsync(box, new ExecRequest { Argv = ["sleep", "1000"], Detach = true })).Process;
        var key = (await server.Http.PostJsonAsync("v1/keys", """{"name":"routes"}""").ReadAsync<KeyBody>()).Id;
        using var local = server.ConnectLocal();
        var files = $"v1/sandboxes/{box}/files";
        var successes = new (string Id, Func<Task<HttpResponseMessage>> Send)[]
        {
            ("getHealth", () => server.Http.GetAsync("health")),
            ("getHost", () => server.Http.GetAsync("v1/host")),
            ("getEndpoints", () => server.Http.GetAsync("v1/endpoints")),
            ("listKeys", () => server.Http.GetAsync("v1/keys")),
            ("createKey", () => server.Http.PostJsonAsync("v1/keys", """{"name":"again"}""")),
            ("listTeams", () => local.GetAsync("v1/teams")),
            ("createTeam", () => local.PostJsonAsync("v1/teams", """{"name":"routes"}""")),
            ("deleteKey", () => server.Http.DeleteAsync($"v1/keys/{key}")),
            ("listTemplates", () => server.Http.GetAsync("v1/templates")),
            ("getTemplate", () => server.Http.GetAsync("v1/templates/base")),
            ("buildTemplate", () => server.Http.PostJsonAsync("v1/templates", """{"name":"routes","steps":[{"run":"true"}]}""")),
            ("updateTemplate", () => server.Http.PatchAsync("v1/templates/routes", HttpRequests.Json("""{"public":false}"""))),
            ("removeTemplate", () => server.Http.DeleteAsync("v1/templates/routes")),
            ("createSandbox", () => server.Http.PostJsonAsync("v1/sandboxes", """{"name":"routes-2"}""")),
            ("listSandboxes", () => server.Http.GetAsync("v1/sandboxes?memory=true")),
            ("getSandbox", () => server.Http.GetAsync($"v1/sandboxes/{box}")),
            ("forkSandbox", () => server.Http.PostJsonAsync($"v1/sandboxes/{box}/fork", """{"names":["routes-3"]}""")),
            ("setTimeout", () => server.Http.PostJsonAsync("v1/sandboxes/routes-3/timeout", """{"timeoutSeconds":3600,"onTimeout":"pause"}""")),
            ("createSnapshot", () => server.Http.PostJsonAsync("v1/snapshots", """{"sandbox":"routes-3","name":"routes"}""")),
            ("pauseSandbox", () => server.Http.PostAsync("v1/sandboxes/routes-3/pause", null)),
            ("createSandboxSnapshot", () => server.Http.PostAsync("v1/sandboxes/routes-3/snapshots", null)),
            ("getTree", () => server.Http.GetAsync("v1/tree")),
            ("getSandboxTree", () => server.Http.GetAsync($"v1/sandboxes/{box}/tree")),
            ("resumeSandbox", () => server.Http.PostAsync("v1/sandboxes/routes-3/resume", null)),
            ("clearTimeout", () => server.Http.DeleteAsync("v1/sandboxes/routes-3/timeout")),
            ("listSnapshots", () => server.Http.GetAsync("v1/snapshots?sandbox=routes-3")),
            ("getSnapshot", () => server.Http.GetAsync("v1/snapshots/routes")),
            ("forkSnapshot", () => server.Http.PostJsonAsync("v1/snapshots/routes/fork", """{"names":["routes-4"]}""")),
            ("removeSnapshot", () => server.Http.DeleteAsync("v1/snapshots/routes")),
            ("getMetrics", () => server.Http.GetAsync($"v1/sandboxes/{box}/metrics")),
            ("getConsole", () => server.Http.GetAsync($"v1/sandboxes/{box}/console")),
            ("exec", () => server.Http.PostJsonAsync($"v1/sandboxes/{box}/exec", """{"argv":["true"]}""")),
            ("listProcesses", () => server.Http.GetAsync($"v1/sandboxes/{box}/processes")),
            ("signalProcess", () => server.Http.PostJsonAsync($"v1/sandboxes/{box}/processes/{process}/signal", "{}")),
            ("writeFile", () => server.Http.PutAsync($"{files}?path=a", new ByteArrayContent([1]))),
            ("readFile", () => server.Http.GetAsync($"{files}?path=a")),
            ("statFile", () => server.Http.GetAsync($"{files}/stat?path=a")),
            ("listFiles", () => server.Http.GetAsync($"{files}/list?path=/etc&depth=2")),
            ("makeDirectory", () => server.Http.PostAsync($"{files}/mkdir?path=d", null)),
            ("moveFile", () => server.Http.PostJsonAsync($"{files}/move", """{"from":"a","to":"d/a"}""")),
            ("removeFile", () => server.Http.DeleteAsync($"{files}?path=d&recursive=true")),
            ("removeSandbox", () => server.Http.DeleteAsync("v1/sandboxes/routes-2")),
        };
        var streams = new (string Id, string Path)[] { ("execStream", $"v1/sandboxes/{box}/exec/stream"), ("attachProcess", $"v1/sandboxes/{box}/processes/{process}/stream") };
        Assert.Equal(server.Api.Operations.Select(operation => operation.Id).Order(), successes.Select(success => success.Id).Concat(streams.Select(stream => stream.Id)).Order());

        foreach (var (id, send) in successes)
        {
            using var response = await send();
            Assert.True(response.IsSuccessStatusCode, $"{id}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
            Assert.Equal(id, server.Api.Find(response.RequestMessage!.Method, response.RequestMessage.RequestUri!.AbsolutePath)!.Id);
        }
        foreach (var (id, path) in streams)
        {
            using var socket = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
            socket.Options.SetRequestHeader("X-API-Key", server.Key);
            await socket.ConnectAsync(new Uri(server.Address.ToString().Replace("http:", "ws:", StringComparison.Ordinal) + path), ServerFixture.Soon);
            Assert.Contains($"{(int)socket.HttpStatusCode}", server.Api[id].Json.GetProperty("responses").EnumerateObject().Select(response => response.Name));
            await server.Http.GetAsync(path).RefusedAsync(400); // without a WebSocket
        }

        foreach (var again in (await server.Client.ListKeysAsync()).Where(listed => listed.Name == "again"))
            await server.Client.DeleteKeyAsync(again.Id);
        foreach (var left in await server.Client.ListSnapshotsAsync("routes-3"))
            await server.Client.RemoveSnapshotAsync(left.Id);
        await server.Client.RemoveAsync("routes-3");
        await server.Client.RemoveAsync("routes-4");
        await server.Client.RemoveAsync(box);
    }
}
