using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;

namespace Mitos.Server.E2B.Control;

/// <summary>/sandboxes and /v2/sandboxes, as E2B's clients use them.</summary>
internal static class SandboxRoutes
{
    private const int DefaultTimeout = 300, DefaultTimeoutV1 = 15, MaxLogs = 1000;

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapPost("/v2/sandboxes", (SandboxControl control, HttpContext context) => CreateAsync(control, context, DefaultTimeout));
        app.MapPost("/sandboxes", (SandboxControl control, HttpContext context) => CreateAsync(control, context, DefaultTimeoutV1));
        app.MapGet("/v2/sandboxes", ListAsync);
        app.MapGet("/sandboxes", ListRunningAsync);
        app.MapGet("/sandboxes/metrics", ReadManyMetricsAsync);
        var one = app.MapGroup("/sandboxes/{id}");
        one.MapGet("/", (string id, SandboxControl control) =>
        {
            var (info, lease) = control.Get(id);
            return Results.Json(control.Detail(info, lease, whole: true), E2BJson.Default.SandboxDetail);
        });
        one.MapDelete("/", async (string id, SandboxControl control) =>
        {
            await control.KillAsync(id);
            return Results.NoContent();
        });
        one.MapGet("/metrics", ReadMetricsAsync);
        one.MapGet("/logs", ReadLogs);
        app.MapGet("/v2/sandboxes/{id}/logs", ReadLogsV2);
        one.MapPost("/timeout", async (string id, SandboxControl control, HttpContext context) =>
        {
            var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
            await control.SetTimeoutAsync(id, request?.Timeout ?? throw E2BException.Bad("timeout is required"));
            return Results.NoContent();
        });
        one.MapPost("/refreshes", async (string id, SandboxControl control, HttpContext context) =>
        {
            var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
            await control.ExtendAsync(id, request?.Duration ?? DefaultTimeoutV1);
            return Results.NoContent();
        });
        app.MapPost("/v2/sandboxes/{id}/connect", async (string id, SandboxControl control, HttpContext context) =>
            Connected(await control.ConnectAsync(id, (await ReadAsync(context, E2BJson.Default.TimeoutRequest))?.Timeout ?? DefaultTimeout, context.RequestAborted)));
        one.MapPost("/connect", async (string id, SandboxControl control, HttpContext context) =>
            Connected(await control.ConnectAsync(id, (await ReadAsync(context, E2BJson.Default.TimeoutRequest))?.Timeout ?? throw E2BException.Bad("timeout is required"), context.RequestAborted)));
        one.MapPost("/pause", async (string id, SandboxControl control, HttpContext context) =>
        {
            await control.PauseAsync(id, (await ReadAsync(context, E2BJson.Default.PauseRequest))?.Memory ?? true);
            return Results.NoContent();
        });
        one.MapPost("/resume", async (string id, SandboxControl control, HttpContext context) => Results.Json(
            await control.ResumeAsync(id, (await ReadAsync(context, E2BJson.Default.TimeoutRequest))?.Timeout ?? DefaultTimeoutV1, context.RequestAborted), E2BJson.Default.SandboxBody, statusCode: 201));
        one.MapPost("/snapshots", async (string id, SandboxControl control, HttpContext context) => Results.Json(
            await control.SnapshotAsync(id, (await ReadAsync(context, E2BJson.Default.SnapshotRequest))?.Name, context.RequestAborted), E2BJson.Default.SnapshotBody, statusCode: 201));
        app.MapGet("/snapshots", (ISnapshots snapshots, HttpContext context) => Results.Json(snapshots.List()
            .Where(snapshot => context.Request.Query["sandboxID"].ToString() is not { Length: > 0 } of || snapshot.Source.ToString() == SandboxControl.ShortId(of))
            .Reverse().Select(SandboxControl.Describe).ToList(), E2BJson.Default.ListSnapshotBody));
        one.MapPut("/network", async (string id, SandboxControl control, HttpContext context) =>
        {
            await control.SetNetworkAsync(id, await ReadAsync(context, E2BJson.Default.JsonElement));
            return Results.NoContent();
        });
        one.MapPost("/fork", async (string id, SandboxControl control, HttpContext context) =>
            Results.Json(await control.ForkAsync(id, await ReadAsync(context, E2BJson.Default.ForkRequest) ?? new(), DefaultTimeout), E2BJson.Default.ListForkResultBody, statusCode: 201));
    }

    /// <summary>The body, which may be empty, and of any length that is known only at its end.</summary>
    /// <exception cref="E2BException">400.</exception>
    public static async Task<T?> ReadAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        if (body.Length == 0)
            return default;
        try
        {
            return JsonSerializer.Deserialize(body.GetBuffer().AsSpan(0, (int)body.Length), type);
        }
        catch (JsonException e)
        {
            throw E2BException.Bad($"the body is not the JSON that is expected here: {e.Message}");
        }
    }

    private static async Task<IResult> CreateAsync(SandboxControl control, HttpContext context, int defaultTimeout)
    {
        var request = await ReadAsync(context, E2BJson.Default.NewSandbox) ?? throw E2BException.Bad("templateID is required");
        return Results.Json(await control.CreateAsync(request, defaultTimeout, context.RequestAborted), E2BJson.Default.SandboxBody, statusCode: 201);
    }

    private static IResult Connected((SandboxBody Body, bool Resumed) connected) => Results.Json(connected.Body, E2BJson.Default.SandboxBody, statusCode: connected.Resumed ? 201 : 200);

    private static IResult ListAsync(SandboxControl control, ISandboxes sandboxes, HttpContext context)
    {
        var list = SandboxList.Parse(context.Request.Query);
        var all = All(control, sandboxes).ToList();
        var (page, next) = list.Apply(all);
        if (next is not null)
            context.Response.Headers["X-Next-Token"] = next;
        context.Response.Headers["X-Total-Running"] = all.Count(item => item.State == "running").ToString(CultureInfo.InvariantCulture);
        return Results.Json(page, E2BJson.Default.ListSandboxDetail);
    }

    private static IResult ListRunningAsync(SandboxControl control, ISandboxes sandboxes, HttpContext context)
    {
        var metadata = SandboxList.MetadataOf(context.Request.Query["metadata"]);
        var list = new SandboxList { States = ["running"], Metadata = metadata, Ascending = false, StartedAfter = null, Template = null, Limit = int.MaxValue - 1, After = null };
        return Results.Json(list.Apply(All(control, sandboxes)).Page, E2BJson.Default.ListSandboxDetail);
    }

    private static IEnumerable<SandboxDetail> All(SandboxControl control, ISandboxes sandboxes) => sandboxes.List()
        .Where(info => info.State != SandboxState.Stopped).Select(info => control.Detail(info, control.LeaseOf(info), whole: false));

    private static async Task<IResult> ReadMetricsAsync(string id, SandboxControl control, MetricSamples samples, HttpContext context, [FromQuery] long? start, [FromQuery] long? end)
    {
        var (info, _) = control.Get(id);
        var from = start is { } first ? At(first) : DateTimeOffset.MinValue;
        var to = end is { } last ? At(last) : DateTimeOffset.MaxValue;
        if (from > to)
            throw E2BException.Bad("start must not be after end");
        return Results.Json(await samples.ReadAsync(info.Id, from, to, context.RequestAborted), E2BJson.Default.ListMetricBody);

        static DateTimeOffset At(long seconds) => seconds is >= 0 and <= 253402300799
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw E2BException.Bad($"{seconds} is no time in seconds");
    }

    private static async Task<IResult> ReadManyMetricsAsync(SandboxControl control, MetricSamples samples, HttpContext context)
    {
        var ids = context.Request.Query["sandbox_ids"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (ids.Length is 0 or > 100)
            throw E2BException.Bad("sandbox_ids must name 1 to 100 sandboxes");
        var found = new Dictionary<string, MetricBody>();
        foreach (var id in ids)
        {
            var (info, lease) = control.Get(id);
            if ((await samples.ReadAsync(info.Id, DateTimeOffset.MinValue, DateTimeOffset.MaxValue, context.RequestAborted)).LastOrDefault() is { } sample)
                found[lease.Id] = sample;
        }
        return Results.Json(new ManyMetricsBody(found), E2BJson.Default.ManyMetricsBody);
    }

    private static IResult ReadLogs(string id, SandboxControl control, ISandboxes sandboxes, [FromQuery] int limit = MaxLogs)
    {
        var entries = LogsOf(control, sandboxes, id).TakeLast(Math.Clamp(limit, 0, MaxLogs)).ToList();
        return Results.Json(new LogsBody(entries.Select(entry => new LogBody(entry.Timestamp, entry.Message)).ToList(), entries), E2BJson.Default.LogsBody);
    }

    private static IResult ReadLogsV2(string id, SandboxControl control, ISandboxes sandboxes, [FromQuery] string? search, [FromQuery] int limit = MaxLogs, [FromQuery] string direction = "forward")
    {
        var entries = LogsOf(control, sandboxes, id).Where(entry => search is null || entry.Message.Contains(search, StringComparison.OrdinalIgnoreCase));
        if (direction == "backward")
            entries = entries.Reverse();
        return Results.Json(new LogsV2Body(entries.Take(Math.Clamp(limit, 0, MaxLogs)).ToList()), E2BJson.Default.LogsV2Body);
    }

    // The console has no times of its own: lines are of the time when the sandbox began.
    private static IEnumerable<LogEntryBody> LogsOf(SandboxControl control, ISandboxes sandboxes, string id)
    {
        var (info, lease) = control.Get(id);
        return Encoding.UTF8.GetString(sandboxes.ReadConsole(info.Id, 1 << 20)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => new LogEntryBody(lease.StartedAt, line.TrimEnd('\r'), "info", []));
    }
}
