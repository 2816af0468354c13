using Mitos.Server.Accounts;

namespace Mitos.Server.E2B.Control;

/// <summary>/teams and /api-keys. This installation has one team.</summary>
internal static class TeamRoutes
{
    private const string TeamId = "00000000-0000-4000-8000-000000000001";

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/teams", () => Results.Json([new TeamBody(TeamId, "default", "", IsDefault: true)], E2BJson.Default.ListTeamBody));
        app.MapGet("/api-keys", (KeyStore keys) => Results.Json(keys.List().Select(key => Describe(key)).ToList(), E2BJson.Default.ListKeyBody));
        app.MapPost("/api-keys", async (KeyStore keys, HttpContext context) =>
        {
            var request = await SandboxRoutes.ReadAsync(context, E2BJson.Default.NewKeyRequest);
            var created = keys.Create(request?.Name is { Length: > 0 and <= 100 } name ? name : throw E2BException.Bad("name is required, at most 100 characters"));
            return Results.Json(Describe(created), E2BJson.Default.KeyBody, statusCode: 201);
        });
        app.MapDelete("/api-keys/{id}", (string id, KeyStore keys) =>
        {
            keys.Delete(id);
            return Results.NoContent();
        });
        app.MapPost("/access-tokens", IResult () => throw new E2BException(410, "access tokens are gone; use an API key"));
    }

    private static KeyBody Describe(Contracts.KeyBody key) =>
        new(key.Id, key.Name, key.CreatedAt, new MaskBody(KeyStore.E2BPrefix, KeyStore.SecretLength, "", ""), key.Key is { } secret ? KeyStore.ToE2B(secret) : null);
}
