using Mitos.Server.E2B.Control;
using Mitos.Server.E2B.Envd;
using Mitos.Server.Gateway;
using Mitos.Server.Lifecycles;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B;

/// <summary>Puts E2B's face on the server: its control plane, its agent's API, and the way to the ports of sandboxes.</summary>
internal static class E2BHost
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(20);

    public static void AddE2B(this IServiceCollection services, E2BOptions options)
    {
        services.AddHttpForwarder();
        services.AddSingleton(options);
        services.AddSingleton<SandboxControl>().AddSingleton<SandboxLogs>().AddSingleton<MetricSamples>().AddHostedService(provider => provider.GetRequiredService<MetricSamples>());
        services.AddSingleton<GuestNames>().AddSingleton<GuestEntries>().AddSingleton<ProcessService>().AddSingleton<FilesystemService>().AddSingleton<WatchService>();
        services.AddSingleton(provider => new OpenCalls(provider.GetRequiredService<LeaseStore>().TeamOf)).AddSingleton<EnvdApi>();
        services.AddSingleton(_ => new OpenRequests()).AddSingleton<PortForwarder>().AddSingleton<SandboxGateway>();
    }

    /// <summary>Requests for sandboxes go no further; what comes from other pages is allowed on E2B's routes.</summary>
    public static void UseSandboxGateway(this WebApplication app)
    {
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = KeepAlive }); // before the forwarder; a connection that is gone shows by its pings
        var gateway = app.Services.GetRequiredService<SandboxGateway>();
        app.Use(async (context, next) =>
        {
            if (await gateway.TryServeAsync(context))
            {
                context.SetEndpoint(null); // a route of ours with the same path was not what it asked for
                return;
            }
            if (E2BErrors.Covers(context.Request.Path) && Cors.TryAnswer(context))
                return;
            await next(context);
        });
    }

    public static void MapE2B(this WebApplication app)
    {
        var group = app.MapGroup("").ExcludeFromDescription();
        SandboxRoutes.Map(group);
        SnapshotRoutes.Map(group);
        MetricRoutes.Map(group);
        LogRoutes.Map(group);
        TemplateRoutes.Map(group);
        TeamRoutes.Map(group);
        EventRoutes.Map(group);
    }
}
