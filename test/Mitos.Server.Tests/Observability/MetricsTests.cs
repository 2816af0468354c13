using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Tests.Api;
using Mitos.Server.Tests.Envd;

namespace Mitos.Server.Tests.Observability;

public sealed class MetricsTests(ServerFixture server)
{
    [Fact]
    public async Task What_is_done_is_counted_exactly()
    {
        await using var sandbox = await server.CreateAsync("measured");
        var before = await ScrapeAsync();
        var fork = await server.Client.ForkAsync("measured", new ForkRequest { Count = 2 });
        await server.Client.ExecAsync("measured", new ExecRequest { Cmd = "true" });
        await server.Client.RemoveSnapshotAsync((await server.Client.CreateSnapshotAsync("measured", null)).Id);
        await server.Client.PauseAsync("measured");
        var during = await ScrapeAsync();
        await server.Client.ResumeAsync("measured");
        await server.Client.ResumeAsync("measured"); // it runs already: nothing is resumed
        await server.Http.GetAsync("v1/sandboxes/nobody").RefusedAsync(404);
        await server.Http.PostJsonAsync("v1/sandboxes/measured/fork", """{"count":100000}""").RefusedAsync(400);
        foreach (var child in fork.Children)
            await server.Client.RemoveAsync(child.Sandbox!.Id);
        var created = await server.Client.CreateAsync(new CreateSandboxRequest());
        await server.Client.RemoveAsync(created.Id);
        var after = await ScrapeAsync();

        (string, double)[] expected =
        [
            ("forks ok", 1), ("forks refused", 1), ("forks failed", 0), ("children", 2), ("pauses of forks", 1), ("deltas", 1), ("children ready", 2), ("execs", 1),
            ("snapshots", 1), ("pauses", 1), ("resumes", 1), ("creates", 1), ("not found", 1), ("requests", 1), ("streams", 0), ("running", 0),
        ];
        Assert.Equal(expected, Read(after).Zip(Read(before), (now, then) => (now.Name, now.Value - then.Value)));
        Assert.Equal(fork.Timings.PauseUs / 1e6, after["mitos_fork_pause_seconds_sum"] - before["mitos_fork_pause_seconds_sum"], 1e-5);
        Assert.Equal(fork.Timings.DeltaBytes, after["mitos_fork_delta_bytes_sum"] - before["mitos_fork_delta_bytes_sum"]);
        Assert.Equal((1, 1), (during["mitos_sandboxes", ("state", "paused")] - before["mitos_sandboxes", ("state", "paused")], during["mitos_sandboxes", ("state", "running")] - before["mitos_sandboxes", ("state", "running")]));

        static IEnumerable<(string Name, double Value)> Read(PrometheusText text) =>
        [
            ("forks ok", text["mitos_forks_total", ("result", "ok")]), ("forks refused", text["mitos_forks_total", ("result", "refused")]), ("forks failed", text["mitos_forks_total", ("result", "failed")]),
            ("children", text["mitos_fork_children_total", ("result", "ok")]), ("pauses of forks", text["mitos_fork_pause_seconds_count"]), ("deltas", text["mitos_fork_delta_bytes_count"]),
            ("children ready", text["mitos_fork_child_ready_seconds_count"]), ("execs", text["mitos_execs_total"]), ("snapshots", text["mitos_snapshot_create_seconds_count", ("result", "ok")]),
            ("pauses", text["mitos_sandbox_pause_seconds_count", ("result", "ok")]), ("resumes", text["mitos_sandbox_resume_seconds_count"]), ("creates", text["mitos_sandbox_create_seconds_count", ("result", "ok")]),
            ("not found", text["mitos_errors_total", ("code", "not_found")]),
            ("requests", text["http_server_request_duration_seconds_count", ("http_route", "/v1/sandboxes/{id}/pause"), ("http_response_status_code", "200"), ("http_request_method", "POST")]),
            ("streams", text["mitos_streams_open"]), ("running", text["mitos_sandboxes", ("state", "running")]),
        ];
    }

    [Fact]
    public async Task Ends_whose_time_came_are_counted_by_what_was_done()
    {
        await server.EnsureBaseAsync();
        var before = await ScrapeAsync();
        var killed = await server.Client.CreateAsync(new CreateSandboxRequest { TimeoutSeconds = 1 });
        var paused = await server.Client.CreateAsync(new CreateSandboxRequest { TimeoutSeconds = 1, OnTimeout = "pause" });
        var after = before;
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until && Ends(after, "kill") + Ends(after, "pause") < 2; await Task.Delay(100))
            after = await ScrapeAsync();
        Assert.Equal((1, 1, 0), (Ends(after, "kill"), Ends(after, "pause"), Ends(after, "failed")));
        Assert.DoesNotContain(await server.Client.ListAsync(), sandbox => sandbox.Id == killed.Id);
        Assert.Equal("paused", (await server.Client.GetAsync(paused.Id)).State);
        await server.Client.RemoveAsync(paused.Id);

        double Ends(PrometheusText text, string action) => text["mitos_reaper_ends_total", ("action", action)] - before["mitos_reaper_ends_total", ("action", action)];
    }

    [Fact]
    public async Task The_host_is_described_in_numbers_that_make_sense()
    {
        var id = SandboxId.Parse(await server.ShareAsync());
        var text = await ScrapeAsync();
        var usage = server.Engine.Sandboxes.ReadMemory(id);
        Assert.True(text["mitos_machine_memory_bytes", ("kind", "private")] >= usage.PrivateBytes / 2);
        Assert.True(text["mitos_machine_memory_bytes", ("kind", "shared")] > 0 && text["mitos_machine_memory_bytes", ("kind", "vmm")] > 0);
        Assert.True(text["mitos_host_memory_available_bytes"] > 1 << 20 && text["mitos_host_disk_free_bytes"] > 1 << 20);
        Assert.InRange(text["mitos_shells_ready"], 0, 1000);
    }

    [Fact]
    public async Task Every_metric_of_ours_is_in_the_table_of_the_manual()
    {
        await server.ShareAsync();
        await server.Http.GetAsync("v1/sandboxes/nobody").RefusedAsync(404);
        var manual = await File.ReadAllTextAsync(Path.Combine(Checkout.Root, "docs", "operations.md"));
        var ours = (await ScrapeAsync()).Families.Where(family => family.StartsWith("mitos_", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(ours);
        Assert.All(ours, family => Assert.Contains($"`{family}`", manual, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Over_loopback_a_key_is_needed_and_what_a_sandbox_is_asked_goes_to_it()
    {
        using var stranger = server.Connect(null);
        await stranger.GetAsync("metrics").RefusedAsync(401);
        using var local = server.ConnectLocal();
        Assert.Contains("mitos_sandboxes", await local.GetStringAsync("metrics"), StringComparison.Ordinal);
        using var guest = await EnvdClient.ShareAsync(server);
        using var answer = JsonDocument.Parse(await guest.Http.GetStringAsync("metrics"));
        Assert.True(answer.RootElement.TryGetProperty("cpu_count", out _));
        var before = await ScrapeAsync();
        using var health = await guest.Http.GetAsync("health");
        Assert.Equal(204, (int)health.StatusCode);
        var after = await ScrapeAsync(); // a request is counted a little after its answer
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until && Requests(after, null, "204") == Requests(before, null, "204"); await Task.Delay(20))
            after = await ScrapeAsync();
        Assert.Equal((0, 1), (Requests(after, "/health", "204") - Requests(before, "/health", "204"), Requests(after, null, "204") - Requests(before, null, "204")));

        static double Requests(PrometheusText text, string? route, string status) => route is null
            ? text["http_server_request_duration_seconds_count", ("http_response_status_code", status)]
            : text["http_server_request_duration_seconds_count", ("http_response_status_code", status), ("http_route", route)];
    }

    [Fact]
    public async Task Refusals_of_the_gateway_and_of_calls_to_sandboxes_are_counted_by_their_code()
    {
        using var guest = await EnvdClient.ShareAsync(server);
        var before = await ScrapeAsync();
        await AskAsync(502, "nobodyhasthisid", "3000");
        await AskAsync(502, guest.Id, "3999"); // nothing listens there
        await AskAsync(400, guest.Id, "none");
        await AskAsync(401, guest.Id, "49983");
        using (var stream = await guest.OpenAsync("process.Process/Start", new Mitos.Server.E2B.Envd.Wire.StartRequest { Process = new() { Cmd = "/nowhere" } }))
            await Assert.ThrowsAsync<EnvdError>(stream.ReadAsync<Mitos.Server.E2B.Envd.Wire.StartResponse>);
        await Assert.ThrowsAsync<EnvdError>(() => guest.CallAsync<Mitos.Server.E2B.Envd.Wire.StatResponse>("filesystem.Filesystem/Stat", new Mitos.Server.E2B.Envd.Wire.StatRequest { Path = "/nowhere" }));
        var after = await ScrapeAsync();
        foreach (var (code, count) in new[] { ("not_found", 2), ("failed_precondition", 1), ("invalid_argument", 2), ("unauthenticated", 1), ("internal", 0) })
            Assert.Equal((code, count), (code, after["mitos_errors_total", ("code", code)] - before["mitos_errors_total", ("code", code)]));

        async Task AskAsync(int status, string id, string port)
        {
            using var http = new HttpClient { BaseAddress = server.Address, DefaultRequestHeaders = { { "E2b-Sandbox-Id", id }, { "E2b-Sandbox-Port", port } } };
            using var response = await http.GetAsync("files?path=/etc/passwd", ServerFixture.Soon);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    private async Task<PrometheusText> ScrapeAsync()
    {
        using var response = await server.Http.GetAsync("metrics", ServerFixture.Soon);
        Assert.Equal("text/plain", response.Content.Headers.ContentType!.MediaType);
        return new PrometheusText(await response.Content.ReadAsStringAsync(ServerFixture.Soon));
    }
}
