using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

public sealed class ForkTests(ServerFixture server)
{
    [Fact]
    public async Task Children_run_on_from_one_instant_with_names_environment_and_labels_of_their_own()
    {
        await using var source = await server.CreateAsync("fork-source");
        await server.Client.ExecAsync(source.Id, new ExecRequest { Cmd = "echo state > /dev/shm/state; echo disk > disk" });
        var fork = await server.Http.PostJsonAsync($"v1/sandboxes/{source.Id}/fork", """{"count":3,"names":["left",null],"env":{"A":"1"},"metadata":{"k":"v"}}""").ReadAsync<ForkBody>();
        Assert.Equal(source.Id, fork.Source);
        Assert.Equal([0, 1, 2], fork.Children.Select(child => child.Index));
        foreach (var child in fork.Children)
        {
            Assert.Null(child.Error);
            var sandbox = child.Sandbox!;
            Assert.Equal((source.Id, fork.ForkId, child.Index), (sandbox.ForkedFrom, sandbox.ForkId, sandbox.ForkIndex));
            Assert.Equal((source.Id, "v", child.Index == 0 ? "left" : null), (Assert.Single(sandbox.Lineage), sandbox.Metadata["k"], sandbox.Name));
            Assert.Equal("state disk 1\n", (await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo $(cat /dev/shm/state disk) $A" })).Stdout);
            Assert.True(child.Timings is { HandshakeUs: > 0, DeviceStateUs: > 0 });
            Assert.InRange(child.ReadyUs, fork.Timings.PauseUs, fork.Timings.TotalUs);
        }
        var times = fork.Timings;
        Assert.InRange(times.StopUs + times.FreezeDiskUs + times.DeviceStateUs + times.ListUs + times.CopyUs + times.ResumeUs, times.PauseUs - 6, times.PauseUs);
        Assert.True(times.DeltaBytes > 0);
        Assert.Equal(fork.Children.Count(child => child.Timings!.Warm), times.WarmShells);
        Assert.Equal(3, fork.Children.Select(child => child.Sandbox!.AccessToken).Distinct().Count());
        foreach (var child in fork.Children)
            await server.Client.RemoveAsync(child.Sandbox!.Id);
    }

    [Fact]
    public async Task Shells_that_were_started_ahead_are_counted()
    {
        await using var source = await server.CreateAsync();
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until; await Task.Delay(200))
        {
            var fork = await server.Client.ForkAsync(source.Id, new ForkRequest());
            await server.Client.RemoveAsync(fork.Children[0].Sandbox!.Id);
            if (fork.Timings.WarmShells == 1)
                return;
        }
        Assert.Fail("no fork ever found a shell");
    }

    [Fact]
    public async Task The_tree_shows_who_came_from_whom_also_where_one_is_gone()
    {
        await using var root = await server.CreateAsync();
        string[] first = [Assert.Single(await ForkAsync(root.Id, 1)), Assert.Single(await ForkAsync(root.Id, 1))];
        var grandchild = Assert.Single(await ForkAsync(first[0], 1));
        await server.Client.RemoveAsync(first[0]);

        var below = await server.Http.GetAsync($"v1/sandboxes/{root.Id}/tree?memory=true").ReadAsync<List<TreeNodeBody>>();
        Assert.Equal([(root.Id, 0, null), (first[1], 1, root.Id), (first[0], 1, root.Id), (grandchild, 2, first[0])], below.Select(node => (node.Id, node.Depth, node.Parent)));
        Assert.Equal([true, true, false, true], below.Select(node => node.Sandbox is not null));
        Assert.All(below.Where(node => node.Sandbox is not null), node => Assert.True(node.Sandbox!.Memory!.PrivateBytes > 0));

        var all = await server.Http.GetAsync("v1/tree").ReadAsync<List<TreeNodeBody>>();
        var at = all.FindIndex(node => node.Id == root.Id);
        Assert.Equal(below.Select(node => node.Id), all.Skip(at).Take(4).Select(node => node.Id));
        Assert.All(all.Where(node => node.Sandbox is not null), node => Assert.Null(node.Sandbox!.Memory));
        Assert.Equal((await server.Client.ListAsync()).Select(sandbox => sandbox.Id).Order(), all.Where(node => node.Sandbox is not null).Select(node => node.Id).Order());

        var leaf = Assert.Single(await server.Client.GetTreeAsync(grandchild));
        Assert.Equal((grandchild, 0, first[0]), (leaf.Id, leaf.Depth, leaf.Parent));
        await server.Http.GetAsync($"v1/sandboxes/{first[0]}/tree").RefusedAsync(404); // it is gone

        // the root gone too: it is still what holds the tree together
        await server.Client.RemoveAsync(root.Id);
        all = await server.Client.GetTreeAsync();
        Assert.Contains(all, node => node.Id == root.Id && node is { Sandbox: null, Depth: 0, Parent: null });
        await server.Client.RemoveAsync(grandchild);
        await server.Client.RemoveAsync(first[1]);
        Assert.DoesNotContain(await server.Client.GetTreeAsync(), node => node.Id == root.Id);
    }

    [Theory]
    [InlineData("""{"count":0}""", 400, "1 to 100")]
    [InlineData("""{"count":-1}""", 400, "1 to 100")]
    [InlineData("""{"count":101}""", 400, "1 to 100")]
    [InlineData("""{"count":2147483647}""", 400, "1 to 100")]
    [InlineData("""{"count":1,"names":["a","b"]}""", 400, "fewer")]
    [InlineData("""{"count":2,"names":["same","same"]}""", 409, "another name")]
    [InlineData("""{"names":[".."]}""", 400, "letters")]
    [InlineData("""{"names":["shared"]}""", 409, "another name")]
    [InlineData("""{"env":{"A":null}}""", 400, "a text")]
    [InlineData("""{"metadata":{"":"x"}}""", 400, "1 to 256")]
    public async Task What_cannot_be_forked_is_refused_with_a_remedy_and_the_source_goes_on(string body, int status, string remedy)
    {
        var id = await server.ShareAsync();
        var before = (await server.Client.ListAsync()).Count;
        var error = await server.Http.PostJsonAsync($"v1/sandboxes/{id}/fork", body).RefusedAsync(status);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
        Assert.Equal(before, (await server.Client.ListAsync()).Count);
        Assert.Equal(0, (await server.Client.ExecAsync(id, new ExecRequest { Argv = ["true"] })).ExitCode);
    }

    [Fact]
    public async Task A_fork_without_a_body_makes_one_child_also_when_the_client_goes_away()
    {
        await using var source = await server.CreateAsync();
        var fork = await server.Http.PostAsync($"v1/sandboxes/{source.Id}/fork", null).ReadAsync<ForkBody>();
        await server.Client.RemoveAsync(Assert.Single(fork.Children).Sandbox!.Id);

        using var leaving = new CancellationTokenSource();
        var forking = server.Http.PostAsync($"v1/sandboxes/{source.Id}/fork", null, leaving.Token);
        await Task.Delay(20);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => forking);
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until; await Task.Delay(100))
        {
            var child = (await server.Client.GetTreeAsync(source.Id)).FirstOrDefault(node => node.Parent == source.Id);
            if (child is null)
                continue;
            Assert.Equal(0, (await server.Client.ExecAsync(child.Id, new ExecRequest { Argv = ["true"] })).ExitCode);
            await server.Client.RemoveAsync(child.Id);
            return;
        }
        Assert.Fail("the fork did not come to its end");
    }

    private async Task<List<string>> ForkAsync(string id, int count) =>
        [.. (await server.Client.ForkAsync(id, new ForkRequest { Count = count })).Children.Select(child => child.Sandbox!.Id)];
}
