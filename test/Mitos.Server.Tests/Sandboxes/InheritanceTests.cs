using System.Net;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>What was agreed about a sandbox holds for what is made of it.</summary>
public sealed class InheritanceTests(ServerFixture server)
{
    [Fact]
    public async Task What_is_made_of_a_guarded_sandbox_is_guarded_and_lives_as_it_does()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server);
        var id = (await team.Http.PostJsonAsync("v2/sandboxes", """
            {"templateID":"base","autoPause":true,"autoResume":{"enabled":true},"allow_internet_access":false,"network":{"allowPublicTraffic":false,"denyOut":["10.0.0.0/8"]}}
            """).ReadAsync()).GetProperty("sandboxID").GetString()!;
        var snapshot = (await team.Http.PostJsonAsync($"sandboxes/{id}/snapshots", """{"name":"guarded"}""").ReadAsync()).GetProperty("snapshotID").GetString()!;
        List<string> children = [await TheirForkAsync(id), await OurForkAsync($"sandboxes/{id}", "{}")];
        await team.Http.PostJsonAsync($"sandboxes/{id}/pause", "{}").DoneAsync();
        children.AddRange([await TheirForkAsync(id), await OurForkAsync($"sandboxes/{id}", """{"timeoutSeconds":600}""")]);
        await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync(); // its snapshot knows
        children.AddRange([await TheirForkAsync(snapshot), await OurForkAsync("snapshots/guarded", "{}"), await OurForkAsync("snapshots/guarded", """{"timeoutSeconds":600}""")]);
        children.AddRange([await team.CreateAsync(snapshot), await CreateAsync("""{"templateID":"guarded","network":{"denyOut":["10.0.0.0/8"]}}""")]);
        foreach (var body in new[] { """{"snapshot":"guarded"}""", """{"snapshot":"guarded","timeoutSeconds":600}""" })
            children.Add((await team.Http.PostJsonAsync("v1/sandboxes", body).ReadAsync<SandboxBody>()).Id);

        foreach (var child in children)
        {
            var detail = await team.Http.GetAsync($"sandboxes/{child}").ReadAsync();
            Assert.Equal("""{"autoResume":true,"onTimeout":"pause"}""", detail.GetProperty("lifecycle").GetRawText());
            Assert.True(JsonElement.DeepEquals(JsonElement.Parse("""{"allowPublicTraffic":false,"denyOut":["10.0.0.0/8"]}"""), detail.GetProperty("network")), detail.GetRawText());
            Assert.False(detail.GetProperty("allowInternetAccess").GetBoolean());
            Assert.Equal(HttpStatusCode.Forbidden, await VisitAsync(child, null));
            Assert.Equal(HttpStatusCode.BadGateway, await VisitAsync(child, server.State.Leases.Find(child)!.TrafficToken)); // nothing listens there
        }
        Assert.Distinct(children.Select(child => server.State.Leases.Find(child)!.TrafficToken));

        // what a request says itself is as it says
        var open = await CreateAsync("""{"templateID":"guarded","autoPause":false,"autoResume":{"enabled":false},"allow_internet_access":true,"network":{"allowPublicTraffic":true}}""");
        var said = await team.Http.GetAsync($"sandboxes/{open}").ReadAsync();
        Assert.Equal("""{"autoResume":false,"onTimeout":"kill"}""", said.GetProperty("lifecycle").GetRawText());
        Assert.Equal("""{"allowPublicTraffic":true}""", said.GetProperty("network").GetRawText());
        Assert.True(said.GetProperty("allowInternetAccess").GetBoolean());
        Assert.Equal(HttpStatusCode.BadGateway, await VisitAsync(open, null));
        var killed = await OurForkAsync("snapshots/guarded", """{"timeoutSeconds":600,"onTimeout":"kill"}""");
        Assert.Equal("kill", (await team.Http.GetAsync($"v1/sandboxes/{killed}").ReadAsync<SandboxBody>()).OnTimeout);
        await team.Http.DeleteAsync($"templates/{snapshot}").DoneAsync();
        foreach (var child in children.Append(open).Append(killed))
            await team.Http.DeleteAsync($"sandboxes/{child}").DoneAsync();

        async Task<string> TheirForkAsync(string source) =>
            (await team.Http.PostJsonAsync($"sandboxes/{source}/fork", "{}").ReadAsync())[0].GetProperty("sandbox").GetProperty("sandboxID").GetString()!;

        async Task<string> OurForkAsync(string source, string body) => (await team.Http.PostJsonAsync($"v1/{source}/fork", body).ReadAsync<ForkBody>()).Children[0].Sandbox!.Id;

        async Task<string> CreateAsync(string body) => (await team.Http.PostJsonAsync("v2/sandboxes", body).ReadAsync()).GetProperty("sandboxID").GetString()!;

        async Task<HttpStatusCode> VisitAsync(string sandbox, string? token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "") { Headers = { { "E2b-Sandbox-Id", sandbox }, { "E2b-Sandbox-Port", "8000" } } };
            if (token is not null)
                request.Headers.Add("e2b-traffic-access-token", token);
            using var answer = await team.Http.SendAsync(request, ServerFixture.Soon);
            return answer.StatusCode;
        }
    }
}
