using System.Globalization;
using System.Text.Json;

namespace Mitos.Server.E2B.Control;

/// <summary>The logs of a sandbox: whole, and in pages that can be filtered.</summary>
internal static class LogRoutes
{
    private const int MaxEntries = 1000, MaxSearch = 256;
    private static readonly string[] Levels = ["debug", "info", "warn", "error"]; // the least first

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/sandboxes/{id}/logs", Read);
        app.MapGet("/v2/sandboxes/{id}/logs", ReadV2);
    }

    private static IResult Read(string id, SandboxControl control, SandboxLogs logs, HttpContext context)
    {
        var (from, limit) = (Number(context, "start", 0, long.MaxValue), (int)Number(context, "limit", MaxEntries, int.MaxValue));
        var entries = logs.Read(control.Get(id).Info).Where(entry => entry.Timestamp.ToUnixTimeMilliseconds() >= from).Take(limit).ToList();
        return Results.Json(new LogsBody(entries.ConvertAll(entry => new LogBody(entry.Timestamp, Line(entry))), entries), E2BJson.Default.LogsBody);
    }

    // Clients of this route, E2B's command line among them, read each line as an object, and want a level of it.
    private static string Line(LogEntryBody entry) => JsonSerializer.Serialize(
        new Dictionary<string, string>(entry.Fields) { ["level"] = entry.Level, ["message"] = entry.Message, ["logger"] = entry.Fields.GetValueOrDefault("source", "process") },
        E2BJson.Default.DictionaryStringString);

    // Forward from the cursor on, or backward from it.
    private static IResult ReadV2(string id, SandboxControl control, SandboxLogs logs, HttpContext context)
    {
        var query = context.Request.Query;
        var backward = query["direction"].ToString() switch
        {
            "" or "forward" => false,
            "backward" => true,
            var direction => throw E2BException.Bad($"direction must be forward or backward, not '{direction}'"),
        };
        var least = query["level"].ToString() is { Length: > 0 } level ? Array.IndexOf(Levels, level) : 0;
        if (least < 0)
            throw E2BException.Bad($"level must be one of {string.Join(", ", Levels)}");
        var search = query["search"].ToString();
        if (search.Length > MaxSearch)
            throw E2BException.Bad($"search can have at most {MaxSearch} characters");
        var limit = (int)Number(context, "limit", MaxEntries, MaxEntries);
        var cursor = Number(context, "cursor", backward ? long.MaxValue : 0, long.MaxValue);
        var entries = logs.Read(control.Get(id).Info).Where(entry => Array.IndexOf(Levels, entry.Level) >= least && entry.Message.Contains(search, StringComparison.Ordinal)
            && (backward ? entry.Timestamp.ToUnixTimeMilliseconds() <= cursor : entry.Timestamp.ToUnixTimeMilliseconds() >= cursor));
        return Results.Json(new LogsV2Body((backward ? entries.Reverse() : entries).Take(limit).ToList()), E2BJson.Default.LogsV2Body);
    }

    private static long Number(HttpContext context, string name, long otherwise, long most)
    {
        if (context.Request.Query[name].ToString() is not { Length: > 0 } text)
            return otherwise;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most
            ? number
            : throw E2BException.Bad(most < long.MaxValue ? $"{name} must be 0 to {most}" : $"{name} must be a time in milliseconds since 1970");
    }
}
