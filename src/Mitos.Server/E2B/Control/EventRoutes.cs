using System.Globalization;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Mitos.Server.Accounts;
using Mitos.Server.Lifecycles;
using Mitos.Server.Storage;

namespace Mitos.Server.E2B.Control;

/// <summary>/events/sandboxes: what happened to a team's sandboxes, also to those that are gone.</summary>
internal static class EventRoutes
{
    private const string Version = "v2";
    private const int MaxLimit = 100, DefaultLimit = 10;

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/events/sandboxes", (Database database, HttpContext context) => ListAsync(database, context.Request.Query, null));
        app.MapGet("/events/sandboxes/{id}", async (string id, Database database, SandboxControl control, HttpContext context) =>
        {
            var events = await ListAsync(database, context.Request.Query, SandboxControl.ShortId(id));
            if (events.Count == 0 && !await IsKnownAsync(database, SandboxControl.ShortId(id)))
                control.Get(id); // 404
            return Results.Json(events, E2BJson.Default.ListEventBody);
        });
    }

    private static Task<List<EventBody>> ListAsync(Database database, IQueryCollection query, string? sandbox)
    {
        var offset = Number(query, "offset", 0, 0, int.MaxValue);
        var limit = Number(query, "limit", DefaultLimit, 1, MaxLimit);
        var ascending = query["orderAsc"].ToString() switch
        {
            "" or "false" => false,
            "true" => true,
            var order => throw E2BException.Bad($"orderAsc must be true or false, not '{order}'"),
        };
        var types = query["types"].SelectMany(list => (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)).ToList();
        if (types.Except(EventTypes.All).FirstOrDefault() is { } unknown)
            throw E2BException.Bad($"there are no events of type '{unknown}'; there are {string.Join(", ", EventTypes.All)}");
        return database.UseAsync(async context =>
        {
            var rows = Seen(context).Where(row => (sandbox == null || row.SandboxId == sandbox) && (types.Count == 0 || types.Contains(row.Type)));
            rows = ascending ? rows.OrderBy(row => row.Sequence) : rows.OrderByDescending(row => row.Sequence);
            return (await rows.Skip(offset).Take(limit).ToListAsync()).Select(Describe).ToList();
        });
    }

    private static Task<bool> IsKnownAsync(Database database, string sandbox) => database.UseAsync(context => Seen(context).AnyAsync(row => row.SandboxId == sandbox));

    private static IQueryable<LifecycleEvent> Seen(MitosDatabase context)
    {
        var (all, team) = (Caller.SeesAll, Caller.Team);
        return context.Events.AsNoTracking().Where(row => all || row.TeamId == team);
    }

    private static EventBody Describe(LifecycleEvent row) => new(Version, row.Id, row.Type, row.Data is { } data ? JsonSerializer.Deserialize(data, E2BJson.Default.JsonElement) : null,
        row.Build, row.Execution, row.SandboxId, row.TeamId, row.Template, DateTimeOffset.FromUnixTimeMilliseconds(row.AtMs));

    private static int Number(IQueryCollection query, string name, int otherwise, int least, int most)
    {
        if (query[name].ToString() is not { Length: > 0 } text)
            return otherwise;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw E2BException.Bad($"{name} must be {least} to {most}");
    }
}

/// <param name="Version">Of this form.</param>
/// <param name="Id">A UUID.</param>
/// <param name="Type">One of <see cref="EventTypes"/>.</param>
/// <param name="EventData">More, by type.</param>
/// <param name="SandboxBuildId">The generation that it ran on.</param>
/// <param name="SandboxExecutionId">The run of a machine that it was.</param>
/// <param name="SandboxId">Of the sandbox.</param>
/// <param name="SandboxTeamId">Its owner.</param>
/// <param name="SandboxTemplateId">What it was made of.</param>
/// <param name="Timestamp">When it happened.</param>
internal sealed record EventBody(string Version, string Id, string Type, JsonElement? EventData, string SandboxBuildId, string SandboxExecutionId, string SandboxId, string SandboxTeamId,
    string SandboxTemplateId, DateTimeOffset Timestamp);
