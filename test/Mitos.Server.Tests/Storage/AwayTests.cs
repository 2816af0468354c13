using Mitos.Contracts;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;
using Mitos.TestKit;

namespace Mitos.Server.Tests.Storage;

/// <summary>The same engine behind a second server, whose database goes away and comes back.</summary>
public sealed class AwayTests(ServerFixture server, PostgresServer postgres)
{
    [Theory]
    [InlineData("locked")]
    [InlineData("unreadable")]
    public async Task While_the_file_of_SQLite_cannot_be_used_sandboxes_go_on(string how)
    {
        await server.EnsureBaseAsync();
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        using var state = scratch.Open();
        var socket = Path.Combine(server.Options.RunDirectory, "sqlite.sock");
        await using var app = ServerHost.Build(socket, null, server.Engine, state);
        await app.StartAsync(ServerFixture.Soon);
        using var http = server.ConnectLocal(socket);
        var id = (await http.PostJsonAsync("v1/sandboxes", "{}").ReadAsync<SandboxBody>()).Id;
        var before = server.Engine.Sandboxes.List().Count;

        using (await TakeAwayAsync(Path.Combine(scratch.Directory, "mitos.db"), how))
        {
            var refused = await http.PostJsonAsync("v1/sandboxes", "{}").RefusedAsync(503);
            Assert.Equal(ErrorCodes.Unavailable, refused.Code);
            Assert.Contains("mitos.db", refused.Message, StringComparison.Ordinal);
            Assert.Contains("another program holds it", refused.Remedy, StringComparison.Ordinal);
            await http.PostJsonAsync("api-keys", """{"name":"x"}""").E2BRefusedAsync(503);
            if (how == "unreadable") // who only writes does not keep others from reading
                Assert.Contains("mitos.db", await http.GetAsync("events/sandboxes").E2BRefusedAsync(503), StringComparison.Ordinal);
            Assert.Equal("on\n", (await http.PostJsonAsync($"v1/sandboxes/{id}/exec", """{"cmd":"echo on >/root/on; cat /root/on","user":"root"}""").ReadAsync<ExecBody>()).Stdout);
            using (var file = await http.GetAsync($"v1/sandboxes/{id}/files?path=/root/on&user=root", ServerFixture.Soon))
                Assert.Equal("on\n", await file.Content.ReadAsStringAsync(ServerFixture.Soon));
            var token = server.Engine.Sandboxes.TryGet(Mitos.Engine.Sandboxes.SandboxId.Parse(id))!.AccessToken;
            using var asked = new HttpRequestMessage(HttpMethod.Get, "files?path=/root/on&username=root") { Headers = { { "E2b-Sandbox-Id", id }, { "E2b-Sandbox-Port", "49983" }, { "X-Access-Token", token } } };
            using (var file = await http.SendAsync(asked, ServerFixture.Soon))
                Assert.Equal("on\n", await file.Content.ReadAsStringAsync(ServerFixture.Soon));
            Assert.Contains(await http.GetAsync("v1/sandboxes").ReadAsync<List<SandboxBody>>(), sandbox => sandbox.Id == id);
            Assert.Equal(before, server.Engine.Sandboxes.List().Count);
        }
        await http.PostJsonAsync($"sandboxes/{id}/timeout", """{"timeout":60}""").DoneAsync();
        await http.GetAsync($"events/sandboxes/{id}").ReadAsync();
        await http.DeleteAsync($"v1/sandboxes/{id}").DoneAsync();
    }

    // Until it is disposed.
    private static async Task<IDisposable> TakeAwayAsync(string path, string how)
    {
        if (how == "locked")
        {
            var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={path};Pooling=False");
            await other.OpenAsync();
            using var begin = other.CreateCommand();
            begin.CommandText = "BEGIN EXCLUSIVE";
            begin.ExecuteNonQuery();
            return other;
        }
        var (directory, aside) = (Path.GetDirectoryName(path)!, Directory.CreateTempSubdirectory("mitos-aside-").FullName);
        foreach (var file in Directory.GetFiles(directory, "mitos.db*"))
            File.Move(file, Path.Combine(aside, Path.GetFileName(file)));
        Directory.CreateDirectory(path);
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools(); // what is open stays so else
        return new Restored(() =>
        {
            Directory.Delete(path);
            foreach (var file in Directory.GetFiles(aside))
                File.Move(file, Path.Combine(directory, Path.GetFileName(file)));
            Directory.Delete(aside);
        });
    }

    private sealed class Restored(Action restore) : IDisposable
    {
        public void Dispose() => restore();
    }

    [Fact]
    public async Task While_the_database_is_away_sandboxes_go_on_and_afterwards_nothing_is_missing()
    {
        await server.EnsureBaseAsync();
        using var scratch = await Scratch.MakeAsync("postgres", postgres);
        using var state = scratch.Open();
        var socket = Path.Combine(server.Options.RunDirectory, "away.sock");
        await using var app = ServerHost.Build(socket, null, server.Engine, state);
        await app.StartAsync(ServerFixture.Soon);
        using var http = server.ConnectLocal(socket);
        var kept = (await http.PostJsonAsync("v1/sandboxes", "{}").ReadAsync<SandboxBody>()).Id;
        var killed = (await http.PostJsonAsync("v1/sandboxes", "{}").ReadAsync<SandboxBody>()).Id;

        await postgres.StopAsync();
        var refused = await http.PostJsonAsync("v1/sandboxes", "{}").RefusedAsync(503);
        Assert.Equal(ErrorCodes.Unavailable, refused.Code);
        Assert.Contains("PostgreSQL", refused.Message, StringComparison.Ordinal);
        Assert.Contains("PostgreSQL", await http.GetAsync("events/sandboxes").E2BRefusedAsync(503), StringComparison.Ordinal);
        await http.PostJsonAsync("api-keys", """{"name":"x"}""").E2BRefusedAsync(503);
        await http.PostJsonAsync($"sandboxes/{kept}/timeout", """{"timeout":60}""").E2BRefusedAsync(503);
        Assert.Equal("on\n", (await http.PostJsonAsync($"v1/sandboxes/{kept}/exec", """{"cmd":"echo on >/root/on; cat /root/on","user":"root"}""").ReadAsync<ExecBody>()).Stdout);
        using (var file = await http.GetAsync($"v1/sandboxes/{kept}/files?path=/root/on&user=root", ServerFixture.Soon))
            Assert.Equal("on\n", await file.Content.ReadAsStringAsync(ServerFixture.Soon));
        Assert.Contains(await http.GetAsync("v1/sandboxes").ReadAsync<List<SandboxBody>>(), sandbox => sandbox.Id == kept);
        await http.DeleteAsync($"v1/sandboxes/{killed}").DoneAsync(); // what is gone is gone; it is written down later
        var before = server.Engine.Sandboxes.List().Count;

        await postgres.StartAsync();
        while ((await http.GetAsync("events/sandboxes?types=sandbox.lifecycle.killed")).StatusCode is var status && status != System.Net.HttpStatusCode.OK)
            await Task.Delay(50, ServerFixture.Soon);
        List<string?> events;
        do
        {
            events = (await http.GetAsync($"events/sandboxes/{killed}?orderAsc=true").ReadAsync()).EnumerateArray().Select(one => one.GetProperty("type").GetString()).ToList();
        }
        while (events.Count < 2);
        Assert.Equal(["sandbox.lifecycle.created", "sandbox.lifecycle.killed"], events);
        Assert.Equal(before, server.Engine.Sandboxes.List().Count); // the refused create left nothing
        Assert.DoesNotContain(state.Leases.All, lease => lease.State == Mitos.Server.Lifecycles.LeaseState.Pending);
        await http.PostJsonAsync($"sandboxes/{kept}/timeout", """{"timeout":60}""").DoneAsync();
        var late = (await http.PostJsonAsync("v1/sandboxes", "{}").ReadAsync<SandboxBody>()).Id;
        foreach (var id in new[] { kept, late })
            await http.DeleteAsync($"v1/sandboxes/{id}").DoneAsync();
    }
}
