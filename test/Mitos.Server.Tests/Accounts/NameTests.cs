using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

/// <summary>A name means a sandbox of the caller's own team.</summary>
public sealed class NameTests(ServerFixture server)
{
    [Fact]
    public async Task Names_are_unique_in_a_team_and_found_in_it()
    {
        await server.EnsureBaseAsync();
        using var one = await TestTeam.MakeAsync(server);
        using var other = await TestTeam.MakeAsync(server);
        using var local = server.ConnectLocal();
        var ids = new List<string>();
        foreach (var http in new[] { one.Http, other.Http, local })
        {
            ids.Add((await http.PostJsonAsync("v1/sandboxes", """{"name":"same"}""").ReadAsync<SandboxBody>()).Id);
            Assert.Equal(ErrorCodes.Conflict, (await http.PostJsonAsync("v1/sandboxes", """{"name":"same"}""").RefusedAsync(409)).Code);
            Assert.Equal(ids[^1], (await http.GetAsync("v1/sandboxes/same").ReadAsync<SandboxBody>()).Id);
        }
        await local.DeleteAsync("v1/sandboxes/same").DoneAsync(); // of the local user's own team
        Assert.Equal(ids[0], (await one.Http.GetAsync("v1/sandboxes/same").ReadAsync<SandboxBody>()).Id);
        var several = await local.GetAsync("v1/sandboxes/same").RefusedAsync(409);
        Assert.All(ids.Take(2), id => Assert.Contains(id, several.Remedy, StringComparison.Ordinal));

        // children are named in their source's team, also when the local user asks for them
        var child = (await local.PostJsonAsync($"v1/sandboxes/{ids[0]}/fork", """{"names":["child"]}""").ReadAsync<ForkBody>()).Children[0].Sandbox!;
        await one.Http.PostJsonAsync("v1/sandboxes", """{"name":"child"}""").RefusedAsync(409);
        await other.Http.GetAsync("v1/sandboxes/child").RefusedAsync(404);
        await one.Http.DeleteAsync("v1/sandboxes/child").DoneAsync();
        var again = await one.Http.PostJsonAsync("v1/sandboxes", """{"name":"child"}""").ReadAsync<SandboxBody>();
        Assert.NotEqual(child.Id, again.Id);
        foreach (var id in new[] { ids[0], ids[1], again.Id })
            await local.DeleteAsync($"v1/sandboxes/{id}").DoneAsync();
    }
}
