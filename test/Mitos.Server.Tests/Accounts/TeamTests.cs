using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

/// <summary>What belongs to one team is not there for another, whatever the way; the local user sees all.</summary>
public sealed class TeamTests(ServerFixture server)
{
    [Fact]
    public async Task Another_team_s_sandbox_and_snapshot_are_nowhere()
    {
        await server.EnsureBaseAsync();
        using var owner = await TestTeam.MakeAsync(server);
        using var other = await TestTeam.MakeAsync(server);
        var id = await owner.CreateAsync();
        var snapshot = (await owner.Http.PostJsonAsync($"sandboxes/{id}/snapshots", """{"name":"owned"}""").ReadAsync()).GetProperty("snapshotID").GetString()!;

        foreach (var (method, path, body) in new[]
        {
            ("GET", "", ""), ("DELETE", "", ""), ("GET", "/metrics", ""), ("GET", "/logs", ""), ("POST", "/timeout", """{"timeout":60}"""), ("POST", "/refreshes", "{}"),
            ("POST", "/connect", """{"timeout":60}"""), ("POST", "/pause", "{}"), ("POST", "/resume", "{}"), ("POST", "/snapshots", "{}"), ("PUT", "/network", "{}"), ("POST", "/fork", "{}"),
        })
            await SendAsync(other.Http, method, $"sandboxes/{id}{path}", body).E2BRefusedAsync(404);
        await SendAsync(other.Http, "POST", $"v2/sandboxes/{id}/connect", "{}").E2BRefusedAsync(404);
        await SendAsync(other.Http, "GET", $"v2/sandboxes/{id}/logs").E2BRefusedAsync(404);
        Assert.Empty((await other.Http.GetAsync($"sandboxes/metrics?sandbox_ids={id}").ReadAsync()).GetProperty("sandboxes").EnumerateObject());
        await SendAsync(other.Http, "GET", $"events/sandboxes/{id}").E2BRefusedAsync(404);
        await SendAsync(other.Http, "DELETE", $"templates/{snapshot}").E2BRefusedAsync(404);
        foreach (var name in new[] { snapshot, "owned" })
            await SendAsync(other.Http, "POST", "v2/sandboxes", $$"""{"templateID":"{{name}}"}""").E2BRefusedAsync(404);
        foreach (var list in new[] { "sandboxes", "v2/sandboxes", "snapshots", $"snapshots?sandboxID={id}", "events/sandboxes", "v1/sandboxes", "v1/tree" })
            Assert.Equal(0, (await other.Http.GetAsync(list).ReadAsync()).GetArrayLength());
        foreach (var operation in server.Api.Operations.Where(operation => operation.Path.StartsWith("/v1/sandboxes/{id}", StringComparison.Ordinal) && !operation.Path.EndsWith("/stream", StringComparison.Ordinal)))
        {
            var path = operation.At(parameter => parameter == "id" ? id : "1", "?path=x").TrimStart('/');
            var body = operation.Id switch { "exec" => """{"cmd":"true"}""", "moveFile" => """{"from":"a","to":"b"}""", "setTimeout" => """{"timeoutSeconds":60}""", "writeFile" => "", _ => "{}" };
            await SendAsync(other.Http, operation.Method, path, body).RefusedAsync(404);
        }
        await SendAsync(other.Http, "GET", $"v1/sandboxes/{id[..8]}").RefusedAsync(404);

        Assert.Equal(id, (await owner.Http.GetAsync($"sandboxes/{id}").ReadAsync()).GetProperty("sandboxID").GetString());
        Assert.Equal(["created", "snapshotted"], await owner.EventsAsync(id));
        Assert.Contains(await server.Client.ListAsync(), sandbox => sandbox.Id == id); // the local user
        await owner.Http.DeleteAsync($"templates/{snapshot}").DoneAsync();
        await owner.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
        Assert.Equal(["created", "snapshotted", "killed"], await owner.EventsAsync(id));
        await SendAsync(other.Http, "GET", $"events/sandboxes/{id}").E2BRefusedAsync(404);
    }

    [Fact]
    public async Task A_life_is_told_by_its_events_and_the_children_belong_to_their_source_s_team()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server);
        var id = await team.CreateAsync();
        await team.Http.PostJsonAsync($"sandboxes/{id}/timeout", """{"timeout":600}""").DoneAsync();
        using var local = server.ConnectLocal();
        var child = (await local.PostJsonAsync($"v1/sandboxes/{id}/fork", "{}").ReadAsync<ForkBody>()).Children[0].Sandbox!.Id; // asked by the local user
        Assert.Equal(["created"], await team.EventsAsync(child));
        await team.Http.PostJsonAsync($"sandboxes/{id}/pause", "{}").DoneAsync();
        await team.Http.PostJsonAsync($"v2/sandboxes/{id}/connect", "{}").ReadAsync();
        await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
        await team.Http.DeleteAsync($"v1/sandboxes/{child}").DoneAsync();
        Assert.Equal(["created", "updated", "forked", "paused", "resumed", "killed"], (await team.EventsAsync(id)).Where((type, index) => index < 2 || type != "updated"));
        Assert.Equal(["created", "killed"], await team.EventsAsync(child));

        var newest = (await team.Http.GetAsync("events/sandboxes?limit=1&types=sandbox.lifecycle.killed").ReadAsync())[0];
        Assert.Equal((child, team.Team.Id, "base"), (newest.GetProperty("sandboxId").GetString(), newest.GetProperty("sandboxTeamId").GetString(), newest.GetProperty("sandboxTemplateId").GetString()));
        var second = (await team.Http.GetAsync("events/sandboxes?limit=1&offset=1&types=sandbox.lifecycle.killed&types=sandbox.lifecycle.forked").ReadAsync())[0];
        Assert.Equal(id, second.GetProperty("sandboxId").GetString());
        foreach (var wrong in new[] { "limit=0", "limit=101", "offset=-1", "orderAsc=maybe", "types=nonsense" })
            await SendAsync(team.Http, "GET", $"events/sandboxes?{wrong}").E2BRefusedAsync(400);
    }

    [Fact]
    public async Task Keys_of_a_team_are_its_own_and_end_at_once()
    {
        using var team = await TestTeam.MakeAsync(server);
        var made = await team.Http.PostJsonAsync("api-keys", """{"name":"ci"}""").ReadAsync();
        var key = made.GetProperty("key").GetString()!;
        Assert.Matches("^e2b_[0-9a-f]{40}$", key);
        var mask = made.GetProperty("mask");
        Assert.Equal(("e2b_", 40, key[4..8], key[^4..]), (mask.GetProperty("prefix").GetString(), mask.GetProperty("valueLength").GetInt32(), mask.GetProperty("maskedValuePrefix").GetString(), mask.GetProperty("maskedValueSuffix").GetString()));
        var id = made.GetProperty("id").GetString();
        using var client = server.Connect(null);
        client.DefaultRequestHeaders.Add("X-API-KEY", key);
        Assert.Equal(team.Team.Id, Assert.Single((await client.GetAsync("teams").ReadAsync()).EnumerateArray()).GetProperty("teamID").GetString());
        using (var renamed = await SendAsync(client, "PATCH", $"api-keys/{id}", """{"name":"renamed"}"""))
            Assert.Equal(200, (int)renamed.StatusCode);
        var listed = (await client.GetAsync("api-keys").ReadAsync()).EnumerateArray().ToList();
        Assert.Equal(["key", "renamed"], listed.Select(one => one.GetProperty("name").GetString()));
        Assert.All(listed, one => Assert.False(one.TryGetProperty("key", out _)));
        foreach (var (method, body) in new[] { ("PATCH", """{"name":"x"}"""), ("DELETE", "") })
            await SendAsync(server.Http, method, $"api-keys/{id}", body).E2BRefusedAsync(404); // another team's
        foreach (var wrong in new[] { "", "{}", """{"name":""}""", """{"name":7}""" })
            await SendAsync(client, "POST", "api-keys", wrong).E2BRefusedAsync(400);
        await team.Http.DeleteAsync($"api-keys/{id}").DoneAsync();
        await SendAsync(client, "GET", "teams").E2BRefusedAsync(401);
        await client.GetAsync("v1/sandboxes").RefusedAsync(401);
    }

    [Fact]
    public async Task Only_the_local_user_makes_teams_and_keys_for_them()
    {
        using var local = server.ConnectLocal();
        using var team = await TestTeam.MakeAsync(server, ""","concurrentSandboxes":3,"createPerMinute":30,"maxTimeoutSeconds":120""");
        Assert.Equal((3, 30, 120), (team.Team.ConcurrentSandboxes, team.Team.CreatePerMinute, team.Team.MaxTimeoutSeconds));
        await local.PostJsonAsync("v1/teams", $$"""{"name":"{{team.Team.Name}}"}""").RefusedAsync(409);
        foreach (var wrong in new[] { "{}", """{"name":""}""", """{"name":"x","concurrentSandboxes":0}""", """{"name":"x","createPerMinute":-1}""", """{"name":"x","maxTimeoutSeconds":99999999}""" })
            await local.PostJsonAsync("v1/teams", wrong).RefusedAsync(400);
        await local.PostJsonAsync("v1/keys", """{"name":"x","team":"nobody"}""").RefusedAsync(404);
        foreach (var http in new[] { team.Http, server.Http })
        {
            await http.GetAsync("v1/teams").RefusedAsync(403);
            await http.PostJsonAsync("v1/teams", """{"name":"x"}""").RefusedAsync(403);
            await http.PostJsonAsync("v1/keys", $$"""{"name":"x","team":"{{team.Team.Name}}"}""").RefusedAsync(400);
        }
        Assert.Equal(team.Key.Id, Assert.Single(await team.Http.GetAsync("v1/keys").ReadAsync<List<KeyBody>>()).Id);
        Assert.Contains(await local.GetAsync("v1/keys").ReadAsync<List<KeyBody>>(), key => key.Id == team.Key.Id && key.Team == team.Team.Name && key.LastUsedAt is not null);
        Assert.Contains("120 seconds", await SendAsync(team.Http, "POST", "v2/sandboxes", """{"templateID":"base","timeout":121}""").E2BRefusedAsync(400), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_that_nobody_asked_for_is_at_most_the_team_s()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server, ""","maxTimeoutSeconds":120""");
        var id = await team.CreateAsync();
        using (var connected = await SendAsync(team.Http, "POST", $"v2/sandboxes/{id}/connect"))
            Assert.Equal(200, (int)connected.StatusCode);
        await SendAsync(team.Http, "POST", $"v2/sandboxes/{id}/connect", """{"timeout":121}""").E2BRefusedAsync(400);
        await SendAsync(team.Http, "POST", $"sandboxes/{id}/connect", "{}").E2BRefusedAsync(400); // must say it there
        var end = (await team.Http.GetAsync($"sandboxes/{id}").ReadAsync()).GetProperty("endAt").GetDateTimeOffset();
        Assert.True(end <= DateTimeOffset.UtcNow.AddSeconds(120));
        await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient http, string method, string path, string body = "") =>
        http.SendAsync(new HttpRequestMessage(new HttpMethod(method), path) { Content = body.Length > 0 ? HttpRequests.Json(body) : null }, ServerFixture.Soon);
}
