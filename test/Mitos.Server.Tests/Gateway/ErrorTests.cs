using System.Net;
using System.Text.Json;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Gateway;

/// <summary>The bodies that clients know, and pages for browsers.</summary>
public sealed class ErrorTests(DomainFixture domain) : IClassFixture<DomainFixture>
{
    private const string Nobody = "i00000000000000000000";

    [Fact]
    public async Task A_sandbox_that_is_not_there_is_not_found_at_every_port() =>
        await RefusedAsync(502, Nobody, DomainFixture.Port, $$"""{"sandboxId":"{{Nobody}}","message":"The sandbox was not found","code":502}""", "may have ended");

    [Fact]
    public async Task Its_agent_is_not_there_either() =>
        await RefusedAsync(502, Nobody, 49983, $$"""{"sandboxId":"{{Nobody}}","message":"The sandbox was not found","code":502}""", "may have ended", "/health");

    [Fact]
    public async Task A_closed_port_is_told_from_a_server_that_does_not_answer()
    {
        await RefusedAsync(502, domain.Id, DomainFixture.Closed,
            $$"""{"sandboxId":"{{domain.Id}}","message":"The sandbox is running but port is not open","code":502,"port":{{DomainFixture.Closed}}}""", "nothing in it listens on port 8082");
        await RefusedAsync(502, domain.Id, DomainFixture.Port,
            $$"""{"sandboxId":"{{domain.Id}}","message":"The server in the sandbox ended the connection without an answer","code":502,"port":{{DomainFixture.Port}}}""", "gave no answer", "/mute");
    }

    [Theory]
    [InlineData("0-abc", "Invalid sandbox port")]
    [InlineData("65536-abc", "Invalid sandbox port")]
    [InlineData("http-abc", "Invalid sandbox port")]
    [InlineData("8080-a_b", "Invalid sandbox id")]
    [InlineData("nobody", "Invalid host")]
    public async Task A_host_that_cannot_be_understood_is_refused_in_text(string host, string message)
    {
        using var http = new HttpClient();
        foreach (var accept in new[] { "*/*", "text/html" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, domain.Server.Address) { Headers = { { "Host", $"{host}.{ServerFixture.Domain}" }, { "Accept", accept } } };
            using var response = await http.SendAsync(request, ServerFixture.Soon);
            var body = await response.Content.ReadAsStringAsync();
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            Assert.True(accept == "text/html" ? body.Contains($"<h1>{message}</h1>", StringComparison.Ordinal) : body == message, body);
        }
    }

    [Fact]
    public async Task A_secured_sandbox_takes_its_token_only_and_is_not_resumed_without_it()
    {
        using var http = domain.Connect();
        using var asked = new HttpRequestMessage(HttpMethod.Post, $"https://api.{ServerFixture.Domain}/v2/sandboxes")
        {
            Headers = { { "X-API-KEY", domain.Server.Key } },
            Content = HttpRequests.Json("""{"templateID":"base","autoPause":true,"autoResume":{"enabled":true},"network":{"allowPublicTraffic":false}}"""),
        };
        var made = await http.SendAsync(asked, ServerFixture.Soon).ReadAsync();
        var (id, token) = (made.GetProperty("sandboxID").GetString()!, made.GetProperty("trafficAccessToken").GetString()!);
        try
        {
            Assert.Equal(ServerFixture.Domain, made.GetProperty("domain").GetString());
            await domain.Server.Client.PauseAsync(id);
            await RefusedAsync(403, id, DomainFixture.Closed, Body("Token header 'e2b-traffic-access-token' is missing"), "only with its traffic access token");
            await RefusedAsync(403, id, DomainFixture.Closed, Body("Provided token in header 'e2b-traffic-access-token' is invalid"), "only with its traffic access token", token: token + "0");
            Assert.Equal(SandboxState.Paused, domain.Server.Engine.Sandboxes.TryGet(SandboxId.Parse(id))!.State);
            await RefusedAsync(502, id, DomainFixture.Closed, $$"""{"sandboxId":"{{id}}","message":"The sandbox is running but port is not open","code":502,"port":{{DomainFixture.Closed}}}""", "nothing in it listens", token: token);
            Assert.Equal(SandboxState.Running, domain.Server.Engine.Sandboxes.TryGet(SandboxId.Parse(id))!.State);
        }
        finally
        {
            await domain.Server.Client.RemoveAsync(id);
        }

        string Body(string what) => $$"""{"sandboxId":"{{id}}","message":"Sandbox is secured with traffic access token. {{what}}","code":403}""";
    }

    private async Task RefusedAsync(int status, string id, int port, string json, string page, string path = "/", string? token = null)
    {
        using var http = domain.Connect();
        foreach (var accept in new[] { "application/json", "text/html,application/xhtml+xml" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, domain.Url(port, path, id)) { Headers = { { "Accept", accept }, { "Origin", "https://a.example" } } };
            if (token is not null)
                request.Headers.Add("e2b-traffic-access-token", token);
            using var response = await http.SendAsync(request, ServerFixture.Soon);
            var body = await response.Content.ReadAsStringAsync();
            Assert.True(status == (int)response.StatusCode, $"{(int)response.StatusCode} {body}");
            Assert.Equal(["*"], response.Headers.GetValues("Access-Control-Allow-Origin"));
            if (accept == "application/json")
            {
                Assert.True(JsonElement.DeepEquals(JsonElement.Parse(json), JsonElement.Parse(body)), body);
                continue;
            }
            Assert.Equal("text/html", response.Content.Headers.ContentType!.MediaType);
            Assert.Contains(page, body, StringComparison.Ordinal);
        }
    }
}
