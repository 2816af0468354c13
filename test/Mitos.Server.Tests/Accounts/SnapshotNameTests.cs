using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

/// <summary>A name means a snapshot of the caller's own team, whichever API is asked; another team's may have the same.</summary>
public sealed class SnapshotNameTests(ServerFixture server)
{
    [Fact]
    public async Task Names_of_snapshots_are_unique_in_a_team_and_found_in_it()
    {
        await server.EnsureBaseAsync();
        using var one = await TestTeam.MakeAsync(server);
        using var other = await TestTeam.MakeAsync(server);
        using var local = server.ConnectLocal();
        var made = new List<(HttpClient Http, string Sandbox, string Snapshot)>();
        foreach (var http in new[] { one.Http, other.Http })
        {
            var sandbox = (await http.PostJsonAsync("v2/sandboxes", """{"templateID":"base"}""").ReadAsync()).GetProperty("sandboxID").GetString()!;
            var snapshot = (await http.PostJsonAsync($"sandboxes/{sandbox}/snapshots", """{"name":"warm"}""").ReadAsync()).GetProperty("snapshotID").GetString()!;
            made.Add((http, sandbox, snapshot.Split(':')[0]));
            // taken in its own team, by either API
            Assert.Equal(ErrorCodes.Conflict, (await http.PostJsonAsync($"v1/sandboxes/{sandbox}/snapshots", """{"name":"warm"}""").RefusedAsync(409)).Code);
            await http.PostJsonAsync($"sandboxes/{sandbox}/snapshots", """{"name":"warm"}""").E2BRefusedAsync(409);
        }
        Assert.NotEqual(made[0].Snapshot, made[1].Snapshot);

        foreach (var (http, sandbox, snapshot) in made)
        {
            Assert.Equal(snapshot, (await http.GetAsync("v1/snapshots/warm").ReadAsync<SnapshotBody>()).Id);
            Assert.Equal(snapshot, Assert.Single(await http.GetAsync("v1/snapshots").ReadAsync<List<SnapshotBody>>()).Id);
            Assert.Equal(1, (await http.GetAsync("snapshots?name=warm").ReadAsync()).GetArrayLength());
            var children = new List<string>
            {
                (await http.PostJsonAsync("v1/snapshots/warm/fork", "{}").ReadAsync<ForkBody>()).Children[0].Sandbox!.Id,
                (await http.PostJsonAsync("v1/sandboxes", """{"snapshot":"warm","timeoutSeconds":600}""").ReadAsync<SandboxBody>()).Id,
                (await http.PostJsonAsync("v2/sandboxes", """{"templateID":"warm"}""").ReadAsync()).GetProperty("sandboxID").GetString()!,
                (await http.PostJsonAsync("sandboxes/warm/fork", "{}").ReadAsync())[0].GetProperty("sandbox").GetProperty("sandboxID").GetString()!,
            };
            foreach (var child in children)
            {
                Assert.Equal(sandbox, (await http.GetAsync($"v1/sandboxes/{child}").ReadAsync<SandboxBody>()).ForkedFrom);
                await http.DeleteAsync($"v1/sandboxes/{child}").DoneAsync();
            }
        }

        // The local user sees both, and none of his own.
        var several = await local.GetAsync("v1/snapshots/warm").RefusedAsync(409);
        Assert.All(made, one => Assert.Contains(one.Snapshot, several.Remedy, StringComparison.Ordinal));
        await local.PostJsonAsync("v1/sandboxes", """{"snapshot":"warm"}""").RefusedAsync(409);
        await local.DeleteAsync("v1/snapshots/warm").RefusedAsync(409);
        var own = (await local.PostJsonAsync("v1/sandboxes", "{}").ReadAsync<SandboxBody>()).Id;
        var mine = (await local.PostJsonAsync($"v1/sandboxes/{own}/snapshots", """{"name":"warm"}""").ReadAsync<SnapshotBody>()).Id;
        Assert.Equal(mine, (await local.GetAsync("v1/snapshots/warm").ReadAsync<SnapshotBody>()).Id);
        await local.DeleteAsync("v1/snapshots/warm").DoneAsync();

        // What one removes is its own, and the name is free there again.
        await one.Http.DeleteAsync("templates/warm").DoneAsync();
        await one.Http.GetAsync("v1/snapshots/warm").RefusedAsync(404);
        Assert.Equal(made[1].Snapshot, (await other.Http.GetAsync("v1/snapshots/warm").ReadAsync<SnapshotBody>()).Id);
        await one.Http.PostJsonAsync($"v1/sandboxes/{made[0].Sandbox}/snapshots", """{"name":"warm"}""").ReadAsync<SnapshotBody>();
        foreach (var (http, sandbox, _) in made)
        {
            await http.DeleteAsync("v1/snapshots/warm").DoneAsync();
            await http.DeleteAsync($"v1/sandboxes/{sandbox}").DoneAsync();
        }
        await local.DeleteAsync($"v1/sandboxes/{own}").DoneAsync();
    }
}
