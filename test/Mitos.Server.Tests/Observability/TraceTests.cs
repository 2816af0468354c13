using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Mitos.Contracts;
using Mitos.Engine.Observability;
using Mitos.Server.Observability;
using Mitos.Server.Tests.Api;
using OpenTelemetry.Trace;

namespace Mitos.Server.Tests.Observability;

public sealed class TraceTests(ServerFixture server)
{
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(1); // clocks differ by that: spans are told after what they tell

    [Fact]
    public async Task A_fork_is_one_tree_of_spans_from_the_clients_to_the_steps_of_each_child()
    {
        using var spans = new SpanCapture();
        await using var sandbox = await server.CreateAsync("traced");
        var (trace, client) = (ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom());
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/sandboxes/traced/fork") { Content = HttpRequests.Json("""{"count":2}""") };
        request.Headers.Add("traceparent", $"00-{trace}-{client}-01");
        var fork = await server.Http.SendAsync(request).ReadAsync<ForkBody>();
        var tree = await WaitAsync(() => spans.Of(trace) is var all && all.Exists(span => span.ParentSpanId == client) ? all : null);

        var root = Assert.Single(tree, span => span.ParentSpanId == client);
        Assert.Equal(("POST /v1/sandboxes/{id}/fork", 200), (root.DisplayName, root.GetTagItem("http.response.status_code")));
        var ids = tree.ToDictionary(span => span.SpanId);
        Assert.All(tree.Where(span => span != root), span => Assert.True(ids.ContainsKey(span.ParentSpanId), span.DisplayName));
        var whole = Assert.Single(Under(root));
        Assert.Equal(("fork", sandbox.Id, fork.ForkId, 2), (whole.DisplayName, whole.GetTagItem("mitos.sandbox"), whole.GetTagItem("mitos.fork"), whole.GetTagItem("mitos.children")));
        Assert.Equal(["fork prepare", "fork pause", "fork child", "fork child"], Under(whole).Select(span => span.DisplayName));
        var pause = Under(whole).Single(span => span.DisplayName == "fork pause");
        Assert.Equal(["stop", "device state", "freeze disk", "list", "copy", "resume"], Under(pause).Select(span => span.DisplayName));
        Assert.Equal((fork.Timings.PauseUs, fork.Timings.DeltaBytes), ((long)pause.Duration.TotalMicroseconds, pause.GetTagItem("mitos.delta_bytes")));
        foreach (var child in Under(whole).Where(span => span.DisplayName == "fork child"))
        {
            Assert.Contains(fork.Children, made => made.Sandbox!.Id == (string?)child.GetTagItem("mitos.sandbox"));
            Assert.Equal(["shell", "disk", "memory", "load", "greeting", "handshake"], Under(child).Where(span => span.DisplayName != "agent request").Select(span => span.DisplayName));
            Assert.Equal("Handshake", Assert.Single(Under(child), span => span.DisplayName == "agent request").GetTagItem("mitos.agent.message"));
        }
        Assert.All(tree.Where(span => span != root && span.Duration > TimeSpan.Zero), span =>
        {
            var parent = ids[span.ParentSpanId];
            Assert.True(span.StartTimeUtc >= parent.StartTimeUtc - Slack && span.StartTimeUtc + span.Duration <= parent.StartTimeUtc + parent.Duration + Slack, $"{span.DisplayName} is not within {parent.DisplayName}");
        });
        foreach (var child in fork.Children)
            await server.Client.RemoveAsync(child.Sandbox!.Id);

        List<Activity> Under(Activity parent) => [.. tree.Where(span => span.ParentSpanId == parent.SpanId).OrderBy(span => span.StartTimeUtc)];
    }

    [Fact]
    public async Task Pause_resume_snapshot_and_exec_have_spans_and_a_refusal_says_its_code()
    {
        using var spans = new SpanCapture();
        await using var sandbox = await server.CreateAsync();
        var trace = ActivityTraceId.CreateRandom();
        using var client = server.Connect(server.Key);
        client.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-{ActivitySpanId.CreateRandom()}-01");
        await client.PostJsonAsync($"v1/sandboxes/{sandbox.Id}/exec", """{"argv":["true"]}""").ReadAsync();
        var snapshot = await client.PostJsonAsync("v1/snapshots", $$"""{"sandbox":"{{sandbox.Id}}"}""").ReadAsync<SnapshotBody>();
        await client.PostAsync($"v1/sandboxes/{sandbox.Id}/pause", null).ReadAsync();
        await client.PostAsync($"v1/sandboxes/{sandbox.Id}/resume", null).ReadAsync();
        await client.PostJsonAsync("v1/sandboxes", """{"name":"no name"}""").RefusedAsync(400);
        await server.Client.RemoveSnapshotAsync(snapshot.Id);
        string[] expected = ["exec start", "snapshot create", "sandbox pause", "sandbox resume", "sandbox create"];
        var tree = spans.Of(trace);
        Assert.Equal(expected, tree.Where(span => expected.Contains(span.DisplayName)).Select(span => span.DisplayName));
        Assert.Equal((ActivityStatusCode.Error, "InvalidArgument"), (tree.Single(span => span.DisplayName == "sandbox create").Status, tree.Single(span => span.DisplayName == "sandbox create").StatusDescription));
        Assert.Contains(tree, span => span.DisplayName == "agent request" && "Start".Equals(span.GetTagItem("mitos.agent.message")));
    }

    [Fact]
    public async Task Spans_are_sent_by_otlp_where_the_variable_says_and_made_only_then()
    {
        var source = new ActivitySource(EngineTrace.Name);
        Assert.False(source.HasListeners());
        await using var sandbox = await server.CreateAsync();
        using var listener = new HttpListener();
        var port = FreePort();
        listener.Prefixes.Add($"http://127.0.0.1:{port}/");
        listener.Start();
        var receiving = ReceiveAsync(listener);
        Environment.SetEnvironmentVariable(Telemetry.EndpointVariable, $"http://127.0.0.1:{port}");
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        try
        {
            var services = new ServiceCollection();
            services.AddLogging().AddTelemetry();
            await using var provider = services.BuildServiceProvider();
            var tracer = provider.GetRequiredService<TracerProvider>();
            Assert.True(source.HasListeners());
            await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "true" });
            Assert.True(tracer.ForceFlush());
        }
        finally
        {
            Environment.SetEnvironmentVariable(Telemetry.EndpointVariable, null);
            Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_PROTOCOL", null);
        }
        var (path, body) = await receiving.WaitAsync(ServerFixture.Soon);
        Assert.Equal("/v1/traces", path);
        Assert.Contains("mitosd", body, StringComparison.Ordinal);
        Assert.Contains("exec start", body, StringComparison.Ordinal);
        Assert.False(source.HasListeners());
    }

    private static async Task<(string Path, string Body)> ReceiveAsync(HttpListener listener)
    {
        var context = await listener.GetContextAsync();
        using var body = new MemoryStream();
        await context.Request.InputStream.CopyToAsync(body);
        context.Response.Close();
        return (context.Request.Url!.AbsolutePath, Encoding.Latin1.GetString(body.ToArray()));
    }

    private static int FreePort()
    {
        using var taken = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        return ((IPEndPoint)taken.LocalEndpoint).Port;
    }

    // a request's own span ends a little after its answer
    private static async Task<List<Activity>> WaitAsync(Func<List<Activity>?> find)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until; await Task.Delay(20))
        {
            if (find() is { } found)
                return found;
        }
        throw new TimeoutException("the request's span did not end");
    }
}
