using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>Pauses, snapshots and ends, as our own API has them.</summary>
public sealed class PauseTests(ServerFixture server)
{
    [Fact]
    public async Task A_paused_sandbox_costs_disk_instead_of_memory_can_be_forked_and_goes_on_where_it_was()
    {
        await using var sandbox = await server.CreateAsync("sleeper");
        var counter = (await server.Client.OpenExecAsync(sandbox.Id, new ExecRequest { Cmd = "i=0; while :; do echo $((i++)) > /tmp/count; sleep 0.05; done", Detach = true })).Process;
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo kept > /dev/shm/memory" });
        var paused = await server.Http.PostAsync("v1/sandboxes/sleeper/pause", null).ReadAsync<SandboxBody>();
        Assert.Equal(("paused", null, null), (paused.State, paused.VmmPid, paused.Memory));
        Assert.True(paused.SavedBytes > 1 << 16 && paused.PausedAt > paused.CreatedAt);
        Assert.Equal(paused.SavedBytes, (await server.Client.PauseAsync("sleeper")).SavedBytes); // it is already
        Assert.Contains(await server.Client.ListAsync(memory: true), one => (one.Id, one.State, one.SavedBytes, one.Memory) == (sandbox.Id, "paused", paused.SavedBytes, null));
        Assert.Equal(paused.SavedBytes, (await server.Client.GetTreeAsync("sleeper", memory: true)).Single().Sandbox!.SavedBytes);
        Assert.False(Directory.Exists($"/proc/{sandbox.VmmPid}"));
        var refused = await server.Http.PostJsonAsync("v1/sandboxes/sleeper/exec", """{"argv":["true"]}""").RefusedAsync(412);
        Assert.Contains("mitos resume", refused.Remedy, StringComparison.Ordinal);

        var fork = await server.Client.ForkAsync("sleeper", new ForkRequest { Count = 2 });
        Assert.Equal((0, "paused"), (fork.Timings.PauseUs, (await server.Client.GetAsync("sleeper")).State));
        foreach (var child in fork.Children)
        {
            Assert.Equal("kept\n", (await server.Client.ExecAsync(child.Sandbox!.Id, new ExecRequest { Cmd = "cat /dev/shm/memory" })).Stdout);
            await server.Client.RemoveAsync(child.Sandbox.Id);
        }

        var resumed = await server.Client.ResumeAsync("sleeper");
        Assert.Equal((sandbox.Id, "running", null, null), (resumed.Id, resumed.State, resumed.SavedBytes, resumed.PausedAt));
        Assert.Equal(resumed.VmmPid, (await server.Client.ResumeAsync("sleeper")).VmmPid); // it runs already
        Assert.Contains(await server.Client.ListProcessesAsync("sleeper"), process => process.Id == counter && process.ExitCode is null);
        Assert.Equal(0, (await server.Client.ExecAsync("sleeper", new ExecRequest { Cmd = "a=$(cat /tmp/count); until [ $(cat /tmp/count) -gt $a ]; do sleep 0.1; done" })).ExitCode);
    }

    [Fact]
    public async Task A_sandbox_that_is_paused_or_resumed_without_its_memory_boots_with_its_files()
    {
        await using var sandbox = await server.CreateAsync();
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo kept > /root/file; echo lost > /dev/shm/memory", User = "root" });
        Assert.True((await server.Http.PostJsonAsync($"v1/sandboxes/{sandbox.Id}/pause", """{"memory":false}""").ReadAsync<SandboxBody>()).FilesOnly);
        Assert.Null((await server.Client.ResumeAsync(sandbox.Id)).FilesOnly);
        Assert.Equal("kept\n", (await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "cat /root/file; ls /dev/shm", User = "root" })).Stdout);
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo more >> /root/file; echo lost > /dev/shm/memory", User = "root" });
        Assert.Null((await server.Client.PauseAsync(sandbox.Id)).FilesOnly);
        await server.Client.ResumeAsync(sandbox.Id, new ResumeRequest { Memory = false });
        Assert.Equal("kept\nmore\n", (await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "cat /root/file; ls /dev/shm", User = "root" })).Stdout);
    }

    [Fact]
    public async Task Snapshots_are_found_by_id_name_and_beginning_and_outlive_their_sandbox()
    {
        SnapshotBody golden;
        await using (var sandbox = await server.CreateAsync("model"))
        {
            await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo kept > /dev/shm/memory", User = "root" });
            using var response = await server.Http.PostJsonAsync("v1/sandboxes/model/snapshots", """{"name":"golden"}""");
            golden = await Task.FromResult(response).ReadAsync<SnapshotBody>();
            Assert.Equal($"/v1/snapshots/{golden.Id}", response.Headers.Location!.ToString());
            Assert.Equal(("golden", sandbox.Id, "base"), (golden.Name, golden.Sandbox, golden.Template));
            Assert.Equal("running", (await server.Client.GetAsync("model")).State);
            await server.Http.PostJsonAsync("v1/snapshots", """{"sandbox":"model","name":"golden"}""").RefusedAsync(409);
            await server.Http.PostJsonAsync("v1/snapshots", "{}").RefusedAsync(400);
            await server.Http.PostJsonAsync("v1/sandboxes/model/snapshots", """{"name":"no/name"}""").RefusedAsync(400);
        }
        Assert.Equal(golden, (await server.Client.ListSnapshotsAsync(golden.Sandbox)).Single()); // of one that is gone
        foreach (var key in new[] { golden.Id, "golden", golden.Id[..12] })
            Assert.Equal(golden, await server.Client.GetSnapshotAsync(key));
        Assert.Equal("Did you mean 'golden'?", (await server.Http.GetAsync("v1/snapshots/goldne").RefusedAsync(404)).Remedy);
        await server.Http.PostJsonAsync("v1/sandboxes", """{"snapshot":"golden","template":"base"}""").RefusedAsync(400);
        Assert.Contains("golden", (await server.Http.PostJsonAsync("v1/sandboxes", """{"snapshot":"goldne"}""").RefusedAsync(404)).Remedy, StringComparison.Ordinal);

        var fork = await server.Client.ForkSnapshotAsync("golden", new ForkRequest { Count = 3, Names = ["first"], TimeoutSeconds = 3600 });
        Assert.Equal((golden.Sandbox, 3), (fork.Source, fork.Children.Select(child => (child.Sandbox!.ForkId, child.Sandbox.ForkIndex)).Distinct().Count()));
        foreach (var child in fork.Children.Select(child => child.Sandbox!))
        {
            Assert.Equal((golden.Sandbox, "kill"), (child.ForkedFrom, child.OnTimeout));
            Assert.Equal("kept\n", (await server.Client.ExecAsync(child.Id, new ExecRequest { Cmd = "cat /dev/shm/memory" })).Stdout);
            await server.Client.RemoveAsync(child.Id);
        }
        await server.Http.PostJsonAsync("v1/snapshots/golden/fork", """{"count":0}""").RefusedAsync(400);
        await server.Http.PostJsonAsync("v1/snapshots/golden/fork", """{"onTimeout":"pause"}""").RefusedAsync(400);

        var copy = await server.Client.CreateAsync(new CreateSandboxRequest { Snapshot = "golden", Env = new() { ["MODE"] = "copy" } });
        Assert.Equal((golden.Sandbox, "base"), (copy.ForkedFrom, copy.Template));
        await server.Client.RemoveSnapshotAsync("golden");
        await server.Http.DeleteAsync($"v1/snapshots/{golden.Id}").RefusedAsync(404);
        Assert.Equal("kept copy\n", (await server.Client.ExecAsync(copy.Id, new ExecRequest { Cmd = "echo $(cat /dev/shm/memory) $MODE" })).Stdout); // nothing of it went with the snapshot
        await server.Client.RemoveAsync(copy.Id);
    }

    [Fact]
    public async Task A_sandbox_is_killed_or_paused_when_its_time_is_over_and_children_share_its_end()
    {
        await server.EnsureBaseAsync();
        foreach (var body in new[] { """{"timeoutSeconds":0}""", """{"timeoutSeconds":-5}""", """{"timeoutSeconds":2592001}""", """{"timeoutSeconds":10,"onTimeout":"explode"}""", """{"onTimeout":"pause"}""", """{"timeoutSeconds":"10"}""" })
            await server.Http.PostJsonAsync("v1/sandboxes", body).RefusedAsync(400);

        var box = await server.Client.CreateAsync(new CreateSandboxRequest { Name = "mortal", TimeoutSeconds = 3600, OnTimeout = "pause" });
        Assert.Equal("pause", box.OnTimeout);
        var child = (await server.Client.ForkAsync(box.Id, new ForkRequest())).Children.Single().Sandbox!;
        Assert.Equal((box.EndsAt, "pause"), (child.EndsAt, child.OnTimeout));
        var brief = (await server.Client.ForkAsync(box.Id, new ForkRequest { TimeoutSeconds = 1, OnTimeout = "kill" })).Children.Single().Sandbox!;
        Assert.True(brief.EndsAt < box.EndsAt);
        await UntilAsync(async () => (await server.Client.ListAsync()).All(one => one.Id != brief.Id));

        await server.Http.PostJsonAsync("v1/sandboxes/mortal/timeout", "{}").RefusedAsync(400);
        Assert.True((await server.Client.SetTimeoutAsync("mortal", TimeSpan.FromHours(2))).EndsAt > box.EndsAt);
        Assert.Null((await server.Client.SetTimeoutAsync("mortal", null)).EndsAt);
        Assert.Equal("pause", (await server.Client.SetTimeoutAsync("mortal", TimeSpan.FromSeconds(1))).OnTimeout); // as before
        await UntilAsync(async () => (await server.Client.GetAsync("mortal")).State == "paused");
        var resumed = await server.Client.ResumeAsync("mortal");
        Assert.Equal(("running", null, null), (resumed.State, resumed.EndsAt, resumed.OnTimeout)); // what was over is over
        Assert.Equal("kill", (await server.Client.ResumeAsync("mortal", new ResumeRequest { TimeoutSeconds = 3600, OnTimeout = "kill" })).OnTimeout);
        Assert.Equal(0, (await server.Client.ExecAsync("mortal", new ExecRequest { Cmd = "true" })).ExitCode);
        await server.Client.RemoveAsync(box.Id);
        await server.Client.RemoveAsync(child.Id);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; !await condition(); await Task.Delay(100))
            Assert.True(DateTime.UtcNow < until, "it does not happen");
    }
}
