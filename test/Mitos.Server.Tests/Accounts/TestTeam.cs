using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

/// <summary>A team of its own with a key, made as an administrator makes one.</summary>
internal sealed class TestTeam : IDisposable
{
    private TestTeam(TeamBody team, KeyBody key, HttpClient http) => (Team, Key, Http) = (team, key, http);

    public TeamBody Team { get; }

    public KeyBody Key { get; }

    /// <summary>Over loopback with the team's key.</summary>
    public HttpClient Http { get; }

    public static async Task<TestTeam> MakeAsync(ServerFixture server, string limits = "")
    {
        using var local = server.ConnectLocal();
        var name = "team-" + Path.GetRandomFileName()[..8];
        var team = await local.PostJsonAsync("v1/teams", $$"""{"name":"{{name}}"{{limits}}}""").ReadAsync<TeamBody>();
        var key = await local.PostJsonAsync("v1/keys", $$"""{"name":"key","team":"{{name}}"}""").ReadAsync<KeyBody>();
        return new TestTeam(team, key, server.Connect(key.Key));
    }

    /// <summary>Creates a sandbox on E2B's route; its id.</summary>
    public async Task<string> CreateAsync(string template = "base") =>
        (await Http.PostJsonAsync("v2/sandboxes", $$"""{"templateID":"{{template}}"}""").ReadAsync()).GetProperty("sandboxID").GetString()!;

    /// <summary>The team's events of a sandbox, oldest first, by their short names.</summary>
    public async Task<List<string>> EventsAsync(string sandbox) =>
        (await Http.GetAsync($"events/sandboxes/{sandbox}?orderAsc=true&limit=100").ReadAsync()).EnumerateArray().Select(one => one.GetProperty("type").GetString()!.Split('.')[^1]).ToList();

    public void Dispose() => Http.Dispose();
}

internal static class E2BAnswers
{
    /// <summary>A refusal in E2B's shape; its message.</summary>
    public static async Task<string> E2BRefusedAsync(this Task<HttpResponseMessage> sending, int status)
    {
        using var response = await sending;
        var text = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode} instead of {status}: {text}");
        var body = JsonDocument.Parse(text).RootElement;
        Assert.Equal(["code", "message"], body.EnumerateObject().Select(field => field.Name));
        Assert.Equal(status, body.GetProperty("code").GetInt32());
        return body.GetProperty("message").GetString()!;
    }
}
