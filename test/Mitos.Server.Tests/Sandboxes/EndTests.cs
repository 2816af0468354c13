using System.Net;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>Ends of lives, and those who move them at the last moment.</summary>
public sealed class EndTests(ServerFixture server)
{
    [Fact]
    public async Task One_whose_end_was_moved_is_not_ended_at_the_old_one()
    {
        await using var source = await server.CreateAsync();
        // More than are ended at once: the rest waits for its turn.
        var children = (await server.Client.ForkAsync(source.Id, new ForkRequest { Count = 8 })).Children.Select(child => child.Sandbox!.Id).ToList();
        await Task.WhenAll(children.Select(id => server.Client.SetTimeoutAsync(id, TimeSpan.FromSeconds(1), "pause")));
        await UntilAsync(() => children.Any(id => StateOf(id) == SandboxState.Paused));
        var moved = await Task.WhenAll(children.Select(async id =>
        {
            await server.Client.SetTimeoutAsync(id, TimeSpan.FromHours(1));
            return (Id: id, State: StateOf(id));
        }));
        await server.Client.SetTimeoutAsync(source.Id, TimeSpan.FromSeconds(1), "kill");
        await UntilAsync(() => StateOf(source.Id) is null); // the ends before this one have been looked after
        Assert.Equal(moved, moved.Select(one => (one.Id, StateOf(one.Id))));
        foreach (var id in children)
            await server.Client.RemoveAsync(id);
    }

    [Fact]
    public async Task One_that_is_connected_to_while_it_is_being_paused_runs()
    {
        await using var sandbox = await server.CreateAsync();
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "head -c 60M /dev/urandom > /dev/shm/much", User = "root" }); // its pause takes a while
        var pausing = server.Http.PostJsonAsync($"sandboxes/{sandbox.Id}/pause", "{}");
        await UntilAsync(() => pausing.IsCompleted || Directory.EnumerateDirectories(Snapshots).Any());
        await ConnectAsync(HttpStatusCode.Created);
        await pausing.DoneAsync();
        Assert.Equal(SandboxState.Running, StateOf(sandbox.Id));
        await ConnectAsync(HttpStatusCode.OK);

        async Task ConnectAsync(HttpStatusCode status)
        {
            using var connected = await server.Http.PostJsonAsync($"sandboxes/{sandbox.Id}/connect", """{"timeout":600}""");
            Assert.Equal(status, connected.StatusCode);
        }
    }

    [Fact]
    public async Task One_that_cannot_be_resumed_keeps_its_times_and_one_that_is_begins_anew()
    {
        await server.EnsureBaseAsync();
        var id = (await server.Http.PostJsonAsync("v2/sandboxes", """{"templateID":"base","timeout":600,"autoResume":{"enabled":true}}""").ReadAsync()).GetProperty("sandboxID").GetString()!;
        await server.Http.PostJsonAsync($"sandboxes/{id}/pause", "{}").DoneAsync();
        var file = Path.Combine(Snapshots, server.Engine.Snapshots.TryFindPaused(SandboxId.Parse(id))!.Id, "capture");
        var whole = await File.ReadAllBytesAsync(file, ServerFixture.Soon);
        var damaged = whole.ToArray();
        damaged[damaged.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, damaged, ServerFixture.Soon);
        var before = await TimesAsync();
        foreach (var path in new[] { "connect", "resume" })
            await server.Http.PostJsonAsync($"sandboxes/{id}/{path}", """{"timeout":3600,"autoPause":true}""").E2BRefusedAsync(409);
        await server.Http.PostJsonAsync($"v1/sandboxes/{id}/resume", """{"timeoutSeconds":3600,"onTimeout":"pause"}""").RefusedAsync(412);
        await VisitAsync();
        Assert.Equal((SandboxState.Paused, before), (StateOf(id), await TimesAsync()));

        await File.WriteAllBytesAsync(file, whole, ServerFixture.Soon);
        await server.Http.PostJsonAsync($"sandboxes/{id}/resume", """{"timeout":60,"autoPause":true}""").ReadAsync();
        var resumed = await TimesAsync();
        Assert.True(resumed.Start > before.Start && resumed.End < before.End && resumed.OnTimeout == "pause", $"{before} {resumed}");
        await server.Http.PostJsonAsync($"sandboxes/{id}/pause", "{}").DoneAsync();
        await VisitAsync();
        var visited = await TimesAsync();
        Assert.Equal(SandboxState.Running, StateOf(id));
        Assert.True(visited.Start > resumed.Start && visited.End > resumed.End && visited.OnTimeout == "pause", $"{resumed} {visited}");
        await server.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();

        async Task VisitAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "") { Headers = { { "E2b-Sandbox-Id", id }, { "E2b-Sandbox-Port", "8000" } } };
            using var nobodyListens = await server.Http.SendAsync(request, ServerFixture.Soon);
            Assert.False(nobodyListens.IsSuccessStatusCode);
        }

        async Task<(DateTimeOffset Start, DateTimeOffset End, string OnTimeout)> TimesAsync()
        {
            var body = await server.Http.GetAsync($"sandboxes/{id}").ReadAsync();
            return (body.GetProperty("startedAt").GetDateTimeOffset(), body.GetProperty("endAt").GetDateTimeOffset(), body.GetProperty("lifecycle").GetProperty("onTimeout").GetString()!);
        }
    }

    private string Snapshots => Path.Combine(server.Options.StateDirectory, "snapshots");

    private SandboxState? StateOf(string id) => server.Engine.Sandboxes.TryGet(SandboxId.Parse(id))?.State;

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; !condition(); await Task.Delay(5))
            Assert.True(DateTime.UtcNow < until, "it does not happen");
    }
}
