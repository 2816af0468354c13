using System.Globalization;

namespace Mitos.Server.E2B.Control;

/// <summary>What sandboxes use: of one in a range of time, of many now.</summary>
internal static class MetricRoutes
{
    private const int MaxSandboxes = 100;
    private const long LastSecond = 253402300799; // of the year 9999

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/sandboxes/{id}/metrics", ReadAsync);
        app.MapGet("/sandboxes/metrics", ReadManyAsync);
    }

    private static async Task<IResult> ReadAsync(string id, SandboxControl control, MetricSamples samples, HttpContext context)
    {
        var (info, _) = control.Get(id);
        var from = TimeOf(context, "start", DateTimeOffset.MinValue);
        var to = TimeOf(context, "end", DateTimeOffset.MaxValue);
        if (from > to)
            throw E2BException.Bad("start must not be after end");
        return Results.Json(await samples.ReadAsync(info, from, to, context.RequestAborted), E2BJson.Default.ListMetricBody);
    }

    // Ids of sandboxes that are gone, or of another team, are left out.
    private static async Task<IResult> ReadManyAsync(SandboxControl control, MetricSamples samples, HttpContext context)
    {
        var ids = context.Request.Query["sandbox_ids"].ToString().Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (ids.Length is 0 or > MaxSandboxes)
            throw E2BException.Bad($"sandbox_ids must name 1 to {MaxSandboxes} sandboxes");
        var found = new Dictionary<string, MetricBody>();
        foreach (var id in ids)
        {
            if (control.TryGet(id) is var (info, lease) && (await samples.ReadAsync(info, DateTimeOffset.MinValue, DateTimeOffset.MaxValue, context.RequestAborted)).LastOrDefault() is { } sample)
                found[lease.Id] = sample;
        }
        return Results.Json(new ManyMetricsBody(found), E2BJson.Default.ManyMetricsBody);
    }

    private static DateTimeOffset TimeOf(HttpContext context, string name, DateTimeOffset otherwise)
    {
        if (context.Request.Query[name].ToString() is not { Length: > 0 } text)
            return otherwise;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= LastSecond
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw E2BException.Bad($"{name} must be a time in seconds since 1970");
    }
}
