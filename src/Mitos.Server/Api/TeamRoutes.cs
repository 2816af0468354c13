using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;

namespace Mitos.Server.Api;

/// <summary>/v1/teams: for the local user.</summary>
internal static class TeamRoutes
{
    private const int MaxName = 100, MostSandboxes = 1_000_000, LongestLife = 30 * 24 * 3600;

    public static void Map(RouteGroupBuilder v1)
    {
        var teams = v1.MapGroup("/teams").WithTags("host").AddEndpointFilter(async (context, next) =>
        {
            if (Caller.Current is { IsAdministrator: true })
                return await next(context);
            await Errors.WriteAsync(context.HttpContext, StatusCodes.Status403Forbidden, new ErrorBody(ErrorCodes.PermissionDenied, "Teams are for the administrator.", "Use the unix socket of the daemon, as its owner."));
            return Results.Empty;
        });
        teams.MapGet("/", (TeamStore store) => store.All.Select(ToBody).ToList()).WithName("listTeams").WithSummary("Lists the teams; on the unix socket only");
        teams.MapPost("/", async ([FromBody] CreateTeamRequest request, TeamStore store) => Results.Created((string?)null, ToBody(await store.CreateAsync(ToTeam(request)))))
            .WithName("createTeam").WithSummary("Creates a team; on the unix socket only").WithDescription("Keys for it: POST /v1/keys with its name as team.").Produces<TeamBody>(201);
    }

    private static Team ToTeam(CreateTeamRequest request)
    {
        if (request.Name is not { Length: > 0 and <= MaxName } name || name.Any(char.IsControl))
            throw SandboxException.Invalid("A team needs a name.", $"Use 1 to {MaxName} characters, none of them a control character.");
        var team = new Team { Id = Guid.NewGuid().ToString(), Name = name, CreatedAtMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() };
        return team with
        {
            ConcurrentSandboxes = Checked(request.ConcurrentSandboxes ?? team.ConcurrentSandboxes, "concurrentSandboxes", MostSandboxes),
            CreatePerMinute = Checked(request.CreatePerMinute ?? team.CreatePerMinute, "createPerMinute", MostSandboxes),
            MaxTimeoutSeconds = Checked(request.MaxTimeoutSeconds ?? team.MaxTimeoutSeconds, "maxTimeoutSeconds", LongestLife),
        };
    }

    private static int Checked(int value, string name, int most) =>
        value >= 1 && value <= most ? value : throw SandboxException.Invalid($"{name} cannot be {value}.", $"Use 1 to {most}.");

    private static TeamBody ToBody(Team team) => new(team.Id, team.Name, DateTimeOffset.FromUnixTimeMilliseconds(team.CreatedAtMs), team.ConcurrentSandboxes, team.CreatePerMinute, team.MaxTimeoutSeconds);
}
