using System.Net;
using System.Text.Json.Serialization;
using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Server.Accounts;
using Mitos.Server.Api;
using Mitos.Server.E2B;
using Mitos.Server.Observability;
using Mitos.Server.Requests;
using Mitos.Server.Tls;
using Scalar.AspNetCore;

namespace Mitos.Server;

/// <summary>Puts an engine behind HTTP: a unix socket for the local user, loopback with keys for the rest.</summary>
internal static class ServerHost
{
    private const int MaxBody = 32 << 20;
    private static readonly TimeSpan GuestLimit = TimeSpan.FromSeconds(30);

    /// <summary>Builds the application; the caller runs it.</summary>
    /// <param name="socket">Path of the unix socket; a stale one is removed.</param>
    /// <param name="listen">Loopback address and port, 0 for any; null: none.</param>
    /// <param name="engine">Served; not disposed.</param>
    /// <param name="state">Teams, keys, leases; not disposed.</param>
    /// <param name="e2b">What clients of E2B's are told.</param>
    /// <param name="tls">Where the domain is served by HTTPS; null: nowhere.</param>
    /// <param name="log">How to write the log.</param>
    /// <param name="guestLimit">How long a guest may take for what needs no time. Default 30 s.</param>
    public static WebApplication Build(string socket, string? listen, IHostEngine engine, ServerState state, E2BOptions? e2b = null, TlsEndpoint? tls = null, LogFormat log = LogFormat.Text, TimeSpan? guestLimit = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFormat(log);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Mitos", LogLevel.Information)
            .AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None) // the program says why it did not start
            .AddFilter("Microsoft.AspNetCore.Http.Timeouts", LogLevel.Error).AddFilter("Yarp", LogLevel.Error); // the client is told
        builder.Services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.TypeInfoResolverChain.Insert(0, ContractsJson.Default);
            options.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            options.SerializerOptions.Encoder = ApiJson.Encoder;
            options.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
        });
        builder.Services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true); // so that the answer says what is bad
        builder.Services.AddSingleton(engine).AddSingleton(TimeProvider.System);
        builder.Services.AddState(state);
        builder.Services.AddSingleton<SandboxBodies>();
        builder.Services.AddE2B(e2b ?? new E2BOptions());
        builder.Services.AddRequestGates(state.Directory);
        builder.Services.AddGuestLimit(guestLimit ?? GuestLimit);
        builder.Services.AddApiDescription();
        builder.Services.AddTelemetry();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(5));
        File.Delete(socket);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBody;
            kestrel.Limits.MinRequestBodyDataRate = null; // uploads may be slow
            kestrel.Limits.MinResponseDataRate = null; // and so may readers
            kestrel.ListenUnixSocket(socket, listener => listener.TrustLocalUser());
            if (listen is not null)
                kestrel.Listen(IPEndPoint.Parse(listen));
            if (tls is not null)
                kestrel.Listen(tls.Listen, listener => listener.UseTls(tls.Certificates));
        });
        var app = builder.Build();
        app.Lifetime.ApplicationStarted.Register(() => File.SetUnixFileMode(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite));
        app.UseSpans();
        app.UseSandboxGateway();
        app.UseAudit();
        app.UseErrorBodies();
        app.UseKeyGate(state.Keys);
        app.UseIdempotency();
        app.UseRequestTimeouts();
        Map(app, engine);
        return app;
    }

    private static void Map(WebApplication app, IHostEngine engine)
    {
        var v1 = app.MapGroup("/v1");
        SandboxRoutes.Map(v1);
        PauseRoutes.Map(v1);
        SnapshotRoutes.Map(v1);
        TreeRoutes.Map(v1);
        ExecRoutes.Map(v1);
        ProcessRoutes.Map(v1);
        FileRoutes.Map(v1);
        TemplateRoutes.Map(v1);
        HostRoutes.Map(v1);
        TeamRoutes.Map(v1);
        app.MapE2B();
        app.MapGet("/health", () => new HealthBody("ok", typeof(ServerHost).Assembly.GetName().Version!.ToString(3), engine.Sandboxes.List().Count, Environment.ProcessId))
            .WithTags("host").WithName("getHealth").WithSummary("Says whether the daemon serves; needs no key");
        app.MapMetrics();
        app.MapOpenApi();
        app.MapScalarApiReference();
    }
}
