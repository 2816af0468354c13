using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
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

    /// <summary>Says in the span of a request what it was, without its address: that may have what only its user should know. Comes before whatever answers.</summary>
    public static void UseSpans(this WebApplication app) => app.Use((context, next) =>
        context.Features.Get<IHttpActivityFeature>()?.Activity is { } span && span.Source.HasListeners() ? DescribeAsync(span, context, next) : next(context));

    public static void MapMetrics(this WebApplication app) => app.MapPrometheusScrapingEndpoint(Path).ExcludeFromDescription();

    private static async Task DescribeAsync(Activity span, HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        finally
        {
            var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
            span.DisplayName = $"{context.Request.Method} {route ?? "to a sandbox, or nowhere"}";
            span.SetTag("http.request.method", context.Request.Method).SetTag("http.route", route).SetTag("http.response.status_code", context.Response.StatusCode);
            if (context.Response.StatusCode >= 500)
                span.SetStatus(ActivityStatusCode.Error);
        }
    }
}
