using System.Text;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

public sealed class SandboxTests(ServerFixture server)
{
    [Fact]
    public async Task A_sandbox_is_as_it_was_asked_for_and_is_found_by_id_name_and_beginning()
    {
        await server.EnsureBaseAsync();
        using var response = await server.Http.PostJsonAsync("v1/sandboxes", """{"name":"asked","env":{"MODE":"test"},"metadata":{"who":"me"}}""");
        Assert.Equal(201, (int)response.StatusCode);
        var created = await Task.FromResult(response).ReadAsync<SandboxBody>();
        Assert.Equal($"/v1/sandboxes/{created.Id}", response.Headers.Location!.ToString());
        Assert.Equal(("asked", "running", "base", "test", "me"), (created.Name, created.State, created.Template, created.Env["MODE"], created.Metadata["who"]));
        Assert.NotNull(created.AccessToken);
        foreach (var key in new[] { created.Id, "asked", created.Id[..10] })
        {
            var found = await server.Http.GetAsync($"v1/sandboxes/{key}").ReadAsync<SandboxBody>();
            Assert.Equal((created.Id, null), (found.Id, found.AccessToken)); // the token is shown once
            Assert.True(found.Memory!.PrivateBytes > 0);
        }
        Assert.Equal("test\n", (await server.Client.ExecAsync("asked", new ExecRequest { Cmd = "echo $MODE" })).Stdout);
        Assert.Contains(await server.Client.ListAsync(), sandbox => sandbox.Id == created.Id && sandbox.Memory is null);
        Assert.Contains(await server.Client.ListAsync(memory: true), sandbox => sandbox.Id == created.Id && sandbox.Memory is not null);
        await server.Http.DeleteAsync("v1/sandboxes/asked").DoneAsync();
        var gone = await server.Http.GetAsync($"v1/sandboxes/{created.Id}").RefusedAsync(404);
        Assert.Equal(ErrorCodes.NotFound, gone.Code);
    }

    [Fact]
    public async Task Metrics_and_console_are_those_of_the_guest()
    {
        var id = await server.ShareAsync();
        var metrics = await server.Http.GetAsync($"v1/sandboxes/{id}/metrics").ReadAsync<MetricsBody>();
        Assert.True(metrics.VmmCpuUs > 0 && metrics.Memory.PrivateBytes > 0);
        Assert.True(metrics.Guest is { CpuCount: 1, Processes: > 1, UptimeMs: > 0, DiskTotalBytes: > 0 });
        Assert.InRange(metrics.Guest.MemoryTotalBytes, 400L << 20, 512L << 20);
        await server.Client.ExecAsync(id, new ExecRequest { Cmd = "echo said on the console > /dev/console", User = "root" });
        for (var until = DateTime.UtcNow + ServerFixture.Limit; !Encoding.UTF8.GetString(await server.Client.GetConsoleAsync(id)).Contains("said on the console", StringComparison.Ordinal); await Task.Delay(100))
            Assert.True(DateTime.UtcNow < until, "the console does not show it");
        Assert.Equal(7, (await server.Client.GetConsoleAsync(id, 7)).Length);
        Assert.Empty(await server.Client.GetConsoleAsync(id, 0));
    }

    [Fact]
    public async Task A_guest_that_stands_still_is_measured_from_outside()
    {
        await using var sandbox = await server.CreateAsync();
        Vmm.Signal(sandbox.VmmPid, Vmm.Stop);
        var metrics = await server.Client.GetMetricsAsync(sandbox.Id);
        Vmm.Signal(sandbox.VmmPid, Vmm.Continue);
        Assert.Null(metrics.Guest);
        Assert.True(metrics.Memory.PrivateBytes > 0);
    }

    [Fact]
    public async Task A_stopped_sandbox_can_be_looked_at_and_removed_and_nothing_else()
    {
        await using var sandbox = await server.CreateAsync("to-be-stopped");
        await Assert.ThrowsAsync<MitosException>(() => server.Client.ExecAsync(sandbox.Id, new ExecRequest { Argv = ["/bin/sh", "-c", "kill -9 1; echo b > /proc/sysrq-trigger; sleep 100"], User = "root" }));
        await server.Engine.Sandboxes.WaitStoppedAsync(Engine.Sandboxes.SandboxId.Parse(sandbox.Id), ServerFixture.Soon);
        var found = await server.Http.GetAsync($"v1/sandboxes/{sandbox.Id}").ReadAsync<SandboxBody>();
        Assert.Equal(("stopped", null, null), (found.State, found.Memory, found.VmmPid));
        Assert.True(found is { StopReason.Length: > 0, StoppedAt: not null });
        foreach (var operation in server.Api.Operations.Where(operation => operation.Path.Contains("/{id}/") && operation.Id is not ("getConsole" or "getSandboxTree" or "setTimeout" or "clearTimeout") && !operation.IsStream))
        {
            using var request = new HttpRequestMessage(new HttpMethod(operation.Method), operation.At(name => name == "id" ? sandbox.Id : "1", "?path=/tmp"));
            request.Content = operation.Id switch { "exec" => HttpRequests.Json("""{"argv":["true"]}"""), "moveFile" => HttpRequests.Json("""{"from":"a","to":"b"}"""), _ => null };
            var error = await server.Http.SendAsync(request).RefusedAsync(412);
            Assert.Contains("stopped", error.Message, StringComparison.Ordinal);
        }
        var refused = await Assert.ThrowsAsync<MitosException>(() => server.Client.OpenExecAsync(sandbox.Id, new ExecRequest { Argv = ["true"] }));
        Assert.Equal(ErrorCodes.FailedPrecondition, refused.Code);
        await server.Http.DeleteAsync($"v1/sandboxes/{sandbox.Id}").DoneAsync();
    }

    [Fact]
    public async Task Looking_at_a_sandbox_while_its_machine_ends_is_never_a_defect()
    {
        await using var sandbox = await server.CreateAsync();
        using var over = new CancellationTokenSource();
        var addresses = new[] { "", "/metrics", "/console", "/processes", "/tree?memory=true", "/files/list?path=/" };
        var looking = addresses.Select(address => Task.Run(async () =>
        {
            var seen = new HashSet<int>();
            do
            {
                using var response = await server.Http.GetAsync($"v1/sandboxes/{sandbox.Id}{address}");
                seen.Add((int)response.StatusCode);
            }
            while (!over.IsCancellationRequested);
            return seen;
        })).ToList();
        await Task.Delay(300);
        Vmm.Signal(sandbox.VmmPid, Vmm.Kill);
        await server.Engine.Sandboxes.WaitStoppedAsync(Engine.Sandboxes.SandboxId.Parse(sandbox.Id), ServerFixture.Soon);
        await over.CancelAsync();
        Assert.Subset(new HashSet<int> { 200, 412, 503 }, (await Task.WhenAll(looking)).SelectMany(seen => seen).ToHashSet());
    }

    [Theory]
    [InlineData("""{"template":"nobody"}""", 404, "template")]
    [InlineData("""{"template":"bas"}""", 404, "base")]
    [InlineData("""{"template":""}""", 404, "template")]
    [InlineData("""{"template":"../../etc"}""", 404, "template")]
    [InlineData("""{"cpuCount":0}""", 400, "1 to 32")]
    [InlineData("""{"cpuCount":-1}""", 400, "1 to 32")]
    [InlineData("""{"cpuCount":101}""", 400, "1 to 32")]
    [InlineData("""{"memoryMiB":0}""", 400, "128 to 65536")]
    [InlineData("""{"memoryMiB":-1}""", 400, "128 to 65536")]
    [InlineData("""{"memoryMiB":2147483647}""", 400, "128 to 65536")]
    [InlineData("""{"name":""}""", 400, "letters")]
    [InlineData("""{"name":".."}""", 400, "letters")]
    [InlineData("""{"name":"a/b"}""", 400, "letters")]
    [InlineData("""{"name":"a\u0000b"}""", 400, "letters")]
    [InlineData("""{"name":"a\n"}""", 400, "letters")]
    [InlineData("""{"name":"LONG"}""", 400, "letters")]
    [InlineData("""{"name":"iabcdefghijklmnopqrst"}""", 400, "letters")] // would pass for an id
    [InlineData("""{"env":{"":"x"}}""", 400, "1 to 256")]
    [InlineData("""{"env":{"A=B":"x"}}""", 400, "'='")]
    [InlineData("""{"env":{"A":null}}""", 400, "a text")]
    [InlineData("""{"env":{"A":"x\u0000"}}""", 400, "NUL")]
    [InlineData("""{"env":{"A":"LONGLONGLONGLONGLONGLONGLONGLONGLONGLONG"}}""", 400, "file")]
    [InlineData("""{"metadata":{"A":null}}""", 400, "a text")]
    [InlineData("""{"metadata":{"LONG":"x"}}""", 400, "1 to 256")]
    [InlineData("""{"name":"shared"}""", 409, "another name")]
    public async Task What_cannot_be_created_is_refused_with_a_remedy_and_leaves_nothing(string body, int status, string remedy)
    {
        await server.ShareAsync();
        var before = (await server.Client.ListAsync()).Count;
        var error = await server.Http.PostJsonAsync("v1/sandboxes", body.Replace("LONG", new string('x', 5000), StringComparison.Ordinal)).RefusedAsync(status);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
        Assert.True(error.Message.Length < 400);
        Assert.Equal(before, (await server.Client.ListAsync()).Count);
    }

    [Fact]
    public async Task An_environment_that_together_with_the_sources_is_too_large_is_refused_before_anything_is_paused()
    {
        await server.EnsureBaseAsync();
        var large = new Dictionary<string, string> { ["A"] = new('x', 40_000) };
        var source = await server.Client.CreateAsync(new CreateSandboxRequest { Env = large });
        var refused = await Assert.ThrowsAsync<MitosException>(() => server.Client.ForkAsync(source.Id, new ForkRequest { Env = new() { ["B"] = new('x', 20_000) } }));
        Assert.Equal(ErrorCodes.InvalidArgument, refused.Code);
        var child = Assert.Single((await server.Client.ForkAsync(source.Id, new ForkRequest { Env = new() { ["B"] = "x" } })).Children).Sandbox!;
        Assert.Equal("40000\n", (await server.Client.ExecAsync(child.Id, new ExecRequest { Cmd = "echo ${#A}" })).Stdout);
        await server.Client.RemoveAsync(child.Id);
        await server.Client.RemoveAsync(source.Id);
    }
}
