using Mitos.Engine.Observability;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Mitos.Server.Observability;

/// <summary>Shows what is measured at <c>/metrics</c>, and sends spans to where OpenTelemetry's variables say.</summary>
internal static class Telemetry
{
    public const string Path = "/metrics";

    /// <summary>Without this variable no span is made.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private const string Requests = "http.server.request.duration";
    private static readonly string[] RequestTags = ["http.request.method", "http.route", "http.response.status_code"];

    public static void AddTelemetry(this IServiceCollection services)
    {
        var telemetry = services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("mitosd", serviceVersion: typeof(Telemetry).Assembly.GetName().Version!.ToString(3), autoGenerateServiceInstanceId: false));
        telemetry.WithMetrics(metrics => metrics
            .AddMeter(EngineMeter.Name, ServerMeter.Name, "Microsoft.AspNetCore.Hosting", "System.Runtime")
            .AddView(Requests, new MetricStreamConfiguration { TagKeys = RequestTags })
            .AddPrometheusExporter(exporter => exporter.ScrapeResponseCacheDurationMilliseconds = 0)); // what a scrape says is true at its time
        if (Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 })
            telemetry.WithTracing(tracing => tracing.AddSource(EngineTrace.Name, ServerMeter.Name, "Microsoft.AspNetCore").AddOtlpExporter());
    }

    public static void MapMetrics(this WebApplication app) => app.MapPrometheusScrapingEndpoint(Path).ExcludeFromDescription();
}
