using System.Globalization;
using System.Net;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

public sealed class LimitTests(ServerFixture server)
{
    [Fact]
    public async Task Fifty_creates_at_once_make_no_more_than_the_team_may_have()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server, ""","concurrentSandboxes":3""");
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => i % 2 == 0
            ? team.Http.PostJsonAsync("v2/sandboxes", """{"templateID":"base"}""")
            : team.Http.PostJsonAsync("v1/sandboxes", "{}")));
        Assert.Equal(3, answers.Count(answer => answer.StatusCode == HttpStatusCode.Created));
        Assert.Equal(47, answers.Count(answer => answer.StatusCode == HttpStatusCode.TooManyRequests && answer.Headers.RetryAfter?.Delta is { TotalSeconds: >= 1 and <= 30 }));
        var sandboxes = await team.Http.GetAsync("v1/sandboxes").ReadAsync<List<SandboxBody>>();
        Assert.Equal(3, sandboxes.Count);
        Assert.Contains("(3)", await team.Http.PostJsonAsync("sandboxes", """{"templateID":"base"}""").E2BRefusedAsync(429), StringComparison.Ordinal);
        Assert.Equal(ErrorCodes.Exhausted, (await team.Http.PostJsonAsync("v1/sandboxes", "{}").RefusedAsync(429)).Code);
        Assert.Equal("Count must be lower than the maximum number of concurrent sandboxes (3)", await team.Http.PostJsonAsync($"sandboxes/{sandboxes[0].Id}/fork", """{"count":3}""").E2BRefusedAsync(400));
        await team.Http.PostJsonAsync($"sandboxes/{sandboxes[0].Id}/fork", """{"count":1}""").E2BRefusedAsync(429);

        // a paused one takes no place, and needs one to go on
        await team.Http.PostJsonAsync($"sandboxes/{sandboxes[0].Id}/pause", "{}").DoneAsync();
        var last = await team.CreateAsync();
        var before = await team.Http.GetAsync($"sandboxes/{sandboxes[0].Id}").ReadAsync();
        await team.Http.PostJsonAsync($"sandboxes/{sandboxes[0].Id}/connect", """{"timeout":60}""").E2BRefusedAsync(429);
        Assert.Equal(before.GetRawText(), (await team.Http.GetAsync($"sandboxes/{sandboxes[0].Id}").ReadAsync()).GetRawText());
        await team.Http.DeleteAsync($"sandboxes/{last}").DoneAsync();
        await team.Http.PostJsonAsync($"sandboxes/{sandboxes[0].Id}/connect", """{"timeout":60}""").ReadAsync();
        foreach (var sandbox in sandboxes)
            await team.Http.DeleteAsync($"sandboxes/{sandbox.Id}").DoneAsync();
    }

    [Fact]
    public async Task Traffic_resumes_no_sandbox_that_has_no_place()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server, ""","concurrentSandboxes":1""");
        var paused = (await team.Http.PostJsonAsync("v2/sandboxes", """{"templateID":"base","autoPause":true,"autoResume":{"enabled":true}}""").ReadAsync()).GetProperty("sandboxID").GetString()!;
        await team.Http.PostJsonAsync($"sandboxes/{paused}/pause", "{}").DoneAsync();
        var running = await team.CreateAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "") { Headers = { { "E2b-Sandbox-Id", paused }, { "E2b-Sandbox-Port", "8000" } } };
        using var refused = await team.Http.SendAsync(request, ServerFixture.Soon);
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
        Assert.Contains(paused, await refused.Content.ReadAsStringAsync(ServerFixture.Soon), StringComparison.Ordinal);
        foreach (var id in new[] { running, paused })
            await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
    }

    [Fact]
    public async Task Too_many_in_a_minute_are_told_when_to_come_again()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server, ""","createPerMinute":2""");
        var id = await team.CreateAsync();
        foreach (var (path, body) in new[] { ($"sandboxes/{id}/fork", """{"count":2}"""), ($"v1/sandboxes/{id}/fork", """{"count":2}""") })
        {
            using var refused = await team.Http.PostJsonAsync(path, body);
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.InRange(int.Parse(Assert.Single(refused.Headers.GetValues("Retry-After")), CultureInfo.InvariantCulture), 1, 60);
        }
        await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
    }
}
