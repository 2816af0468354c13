using Mitos.Engine.Sandboxes;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Control;

/// <summary>/sandboxes and /v2/sandboxes, as E2B's clients use them.</summary>
internal static class SandboxRoutes
{
    private const int DefaultTimeout = 300, DefaultTimeoutV1 = 15, MaxRefresh = 3600;

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapPost("/v2/sandboxes", (SandboxControl control, HttpContext context) => CreateAsync(control, context, DefaultTimeout));
        app.MapPost("/sandboxes", (SandboxControl control, HttpContext context) => CreateAsync(control, context, DefaultTimeoutV1));
        app.MapGet("/v2/sandboxes", List);
        app.MapGet("/sandboxes", ListV1);
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
        one.MapPost("/timeout", async (string id, SandboxControl control, HttpContext context) =>
        {
            var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
            await control.SetTimeoutAsync(id, request?.Timeout ?? throw E2BException.Bad("timeout is required"));
            return Results.NoContent();
        });
        one.MapPost("/refreshes", async (string id, SandboxControl control, HttpContext context) =>
        {
            var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
            var duration = request?.Duration ?? DefaultTimeoutV1;
            await control.ExtendAsync(id, duration <= MaxRefresh ? duration : throw E2BException.Bad($"duration must be 0 to {MaxRefresh} seconds"));
            return Results.NoContent();
        });
        app.MapPost("/v2/sandboxes/{id}/connect", (string id, SandboxControl control, HttpContext context) => ConnectAsync(id, control, context, DefaultTimeout));
        one.MapPost("/connect", (string id, SandboxControl control, HttpContext context) => ConnectAsync(id, control, context, null));
        one.MapPost("/pause", async (string id, SandboxControl control, HttpContext context) =>
        {
            await control.PauseAsync(id, (await ReadAsync(context, E2BJson.Default.PauseRequest))?.Memory ?? true);
            return Results.NoContent();
        });
        one.MapPost("/resume", async (string id, SandboxControl control, HttpContext context) =>
        {
            var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
            return Results.Json(await control.ResumeAsync(id, request?.Timeout, DefaultTimeoutV1, request?.AutoPause, request?.Memory ?? true, context.RequestAborted), E2BJson.Default.SandboxBody, statusCode: 201);
        });
        one.MapPut("/network", async (string id, SandboxControl control, HttpContext context) =>
        {
            await control.SetNetworkAsync(id, await ReadAsync(context, E2BJson.Default.JsonElement));
            return Results.NoContent();
        });
        one.MapPost("/fork", async (string id, SandboxControl control, HttpContext context) =>
            Results.Json(await control.ForkAsync(id, await ReadAsync(context, E2BJson.Default.ForkRequest) ?? new(), DefaultTimeout), E2BJson.Default.ListForkResultBody, statusCode: 201));
    }

    /// <summary>The body, which may be empty, and of any length that is known only at its end.</summary>
    /// <exception cref="WrongJsonException">400.</exception>
    public static async Task<T?> ReadAsync<T>(HttpContext context, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        return body.Length == 0 ? default : WrongJsonException.Read(body.GetBuffer().AsSpan(0, (int)body.Length), type);
    }

    private static async Task<IResult> CreateAsync(SandboxControl control, HttpContext context, int defaultTimeout)
    {
        var request = await ReadAsync(context, E2BJson.Default.NewSandbox) ?? throw E2BException.Bad("templateID is required");
        return Results.Json(await control.CreateAsync(request, defaultTimeout, context.RequestAborted), E2BJson.Default.SandboxBody, statusCode: 201);
    }

    private static async Task<IResult> ConnectAsync(string id, SandboxControl control, HttpContext context, int? defaultTimeout)
    {
        var request = await ReadAsync(context, E2BJson.Default.TimeoutRequest);
        if (request?.Timeout is null && defaultTimeout is null)
            throw E2BException.Bad("timeout is required");
        var (body, resumed) = await control.ConnectAsync(id, request?.Timeout, defaultTimeout ?? 0, request?.Memory ?? true, context.RequestAborted);
        return Results.Json(body, E2BJson.Default.SandboxBody, statusCode: resumed ? 201 : 200);
    }

    private static IResult List(SandboxControl control, ISandboxes sandboxes, HttpContext context) =>
        Results.Json(SandboxList.Parse(context.Request.Query).Apply(context, control, sandboxes.List()), E2BJson.Default.ListSandboxDetail);

    private static IResult ListV1(SandboxControl control, ISandboxes sandboxes, HttpContext context) =>
        Results.Json(SandboxList.ParseV1(context.Request.Query).Apply(context, control, sandboxes.List()), E2BJson.Default.ListSandboxDetail);
}
