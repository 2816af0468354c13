using Mitos.Engine.Errors;
using Mitos.Server.Accounts;

namespace Mitos.Server.E2B.Control;

/// <summary>/teams and /api-keys, as E2B's clients use them.</summary>
internal static class TeamRoutes
{
    private const int MaxName = 100;

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/teams", (TeamStore teams) => Results.Json(teams.All.Where(team => Caller.Sees(team.Id))
            .Select(team => new TeamBody(team.Id, team.Name, "", IsDefault: team.Id == Caller.Team)).ToList(), E2BJson.Default.ListTeamBody));
        app.MapGet("/api-keys", (KeyStore keys) => Results.Json(keys.List(Caller.Team).Select(key => Describe(key)).ToList(), E2BJson.Default.ListKeyBody));
        app.MapPost("/api-keys", async (KeyStore keys, HttpContext context) =>
        {
            var (key, secret) = await keys.CreateAsync(Caller.Team, await ReadNameAsync(context), Caller.Current?.KeyId);
            return Results.Json(Describe(key, secret), E2BJson.Default.KeyBody, statusCode: 201);
        });
        app.MapPatch("/api-keys/{id}", async (string id, KeyStore keys, HttpContext context) =>
        {
            await keys.RenameAsync(Caller.Team, id, await ReadNameAsync(context));
            return Results.Ok();
        });
        app.MapDelete("/api-keys/{id}", async (string id, KeyStore keys) =>
        {
            await keys.DeleteAsync(Caller.Team, id);
            return Results.NoContent();
        });
        app.MapPost("/access-tokens", IResult () => throw new E2BException(410, "access tokens are gone; use an API key"));
    }

    private static async Task<string> ReadNameAsync(HttpContext context)
    {
        var request = await SandboxRoutes.ReadAsync(context, E2BJson.Default.NewKeyRequest);
        return request?.Name is { Length: > 0 and <= MaxName } name && !name.Any(char.IsControl)
            ? name
            : throw E2BException.Bad($"name is required: 1 to {MaxName} characters, none of them a control character");
    }

    private static KeyBody Describe(ApiKey key, string? secret = null) => new(key.Id, key.Name, key.CreatedAt,
        new MaskBody(KeyStore.E2BPrefix, KeyStore.SecretLength, key.MaskPrefix, key.MaskSuffix), secret is null ? null : KeyStore.ToE2B(secret), key.LastUsedAt, key.ExpiresAt);
}
