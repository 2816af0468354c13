using System.Net;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Server.Accounts;
using Mitos.Server.Api;
using Scalar.AspNetCore;

namespace Mitos.Server;

/// <summary>Puts an engine behind HTTP: a unix socket for the local user, loopback with keys for the rest.</summary>
internal static class ServerHost
{
    /// <summary>Builds the application; the caller runs it.</summary>
    /// <param name="socket">Path of the unix socket; a stale one is removed.</param>
    /// <param name="listen">Loopback address and port; null: none.</param>
    /// <param name="engine">Served; not disposed.</param>
    /// <param name="keys">API keys.</param>
    public static WebApplication Build(string socket, string? listen, IHostEngine engine, KeyStore keys)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(options => options.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ");
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Mitos", LogLevel.Information);
        builder.Services.ConfigureHttpJsonOptions(options => options.SerializerOptions.TypeInfoResolverChain.Insert(0, ContractsJson.Default));
        builder.Services.AddSingleton(engine).AddSingleton(engine.Sandboxes).AddSingleton(engine.Templates).AddSingleton(keys);
        builder.Services.AddRequestTimeouts();
        builder.Services.AddOpenApi("v1");
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(5));
        File.Delete(socket);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 32 << 20;
            kestrel.Limits.MinRequestBodyDataRate = null; // uploads may be slow
            kestrel.ListenUnixSocket(socket);
            if (listen is not null)
                kestrel.Listen(IPEndPoint.Parse(listen));
        });
        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Use(app, keys);
        Map(app, engine);
        return app;
    }

    private static void Use(WebApplication app, KeyStore keys)
    {
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
                if (context.Response is { HasStarted: false, StatusCode: 404 or 405 or 400 or 415, ContentLength: null, ContentType: null })
                    await Errors.WriteAsync(context, context.Response.StatusCode, Unrouted(context));
            }
            catch (Exception e) when (!context.Response.HasStarted)
            {
                var (status, body) = Errors.Describe(e);
                if (status == 500)
                    app.Logger.LogError(e, "{Method} {Path} failed", context.Request.Method, context.Request.Path);
                await Errors.WriteAsync(context, status, body);
            }
        });
        app.Use(async (context, next) =>
        {
            // The unix socket is guarded by its file mode; it has no remote address.
            if (context.Connection.RemoteIpAddress is null || context.Request.Path == "/health" || IsValid(context.Request, keys))
            {
                await next(context);
                return;
            }
            await Errors.WriteAsync(context, 401, new ErrorBody(ErrorCodes.Unauthenticated, "An API key is missing or not valid.",
                "Send `Authorization: Bearer KEY`; the first key stands in the file api-key of the state directory."));
        });
        app.UseRequestTimeouts();
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(20) });
    }

    private static void Map(WebApplication app, IHostEngine engine)
    {
        var v1 = app.MapGroup("/v1");
        SandboxRoutes.Map(v1);
        ExecRoutes.Map(v1);
        FileRoutes.Map(v1);
        TemplateRoutes.Map(v1);
        HostRoutes.Map(v1);
        app.MapGet("/health", () => new HealthBody("ok", typeof(ServerHost).Assembly.GetName().Version!.ToString(3), engine.Sandboxes.List().Count, Environment.ProcessId))
            .WithTags("host").WithSummary("Whether the daemon serves");
        app.MapOpenApi();
        app.MapScalarApiReference();
    }

    private static ErrorBody Unrouted(HttpContext context) => context.Response.StatusCode switch
    {
        405 => new(ErrorCodes.Unsupported, $"{context.Request.Path} cannot be used with {context.Request.Method}.", "See /openapi/v1.json."),
        404 => new(ErrorCodes.NotFound, $"There is nothing at {context.Request.Path}.", "See /openapi/v1.json."),
        415 => new(ErrorCodes.InvalidArgument, "The body must be JSON.", "Send `Content-Type: application/json`."),
        _ => new(ErrorCodes.InvalidArgument, "The request's parameters or its body are not what is expected here.", "See /openapi/v1.json."),
    };

    private static bool IsValid(HttpRequest request, KeyStore keys)
    {
        var bearer = request.Headers.Authorization.ToString();
        var key = bearer.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? bearer[7..].Trim() : request.Headers["X-API-Key"].ToString();
        return key.Length > 0 && keys.IsValid(key);
    }
}
