using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;
using Mitos.Server.E2B;

namespace Mitos.Server.Api;

/// <summary>/v1/host, /v1/endpoints, /v1/keys</summary>
internal static class HostRoutes
{
    private const int MaxName = 100;

    public static void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/host", (IHostEngine engine) => engine.ProbeHost().ToBody()).WithTags("host").WithName("getHost").WithSummary("Says what this host can do, and what it lacks");
        v1.MapGet("/endpoints", (IServer server, E2BOptions e2b) => new EndpointsBody(
                server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault(address => address.StartsWith("http://", StringComparison.Ordinal) && !address.StartsWith("http://unix:", StringComparison.Ordinal)),
                e2b.Domain, e2b.CertificateAuthority, e2b.Secure ? $"https://api.{e2b.Domain}" : null))
            .WithTags("host").WithName("getEndpoints").WithSummary("Says where this daemon is reached, by its own clients and by E2B's");
        var keys = v1.MapGroup("/keys").WithTags("keys");
        keys.MapGet("/", (KeyStore store, TeamStore teams) => store.List(Seen).Select(key => ToBody(key, teams)).ToList()).WithName("listKeys")
            .WithSummary("Lists the team's API keys, without the keys themselves; on the unix socket those of all teams");
        keys.MapPost("/", async ([FromBody] CreateKeyRequest request, KeyStore store, TeamStore teams) =>
        {
            if (request.Name is not { Length: > 0 and <= MaxName } name || name.Any(char.IsControl))
                throw SandboxException.Invalid("A key needs a name.", $"Use 1 to {MaxName} characters, none of them a control character.");
            if (request.Team is not null && !Caller.SeesAll)
                throw SandboxException.Invalid("A key can only make keys of its own team.", "Leave out team, or use the unix socket of the daemon.");
            var (key, secret) = await store.CreateAsync(request.Team is { } team ? teams.Find(team).Id : Caller.Team, name, Caller.Current?.KeyId, request.ExpiresAt);
            return Results.Created((string?)null, ToBody(key, teams) with { Key = secret });
        }).WithName("createKey").WithSummary("Creates an API key").WithDescription("The answer is the only place where the key stands.").Produces<KeyBody>(201);
        keys.MapDelete("/{id}", async (string id, KeyStore store) =>
        {
            await store.DeleteAsync(Seen, id);
            return Results.NoContent();
        }).WithName("deleteKey").WithSummary("Deletes an API key; it is not valid any more at once").Produces(204);
    }

    private static string? Seen => Caller.SeesAll ? null : Caller.Team;

    private static KeyBody ToBody(ApiKey key, TeamStore teams) => new(key.Id, key.Name, key.CreatedAt, Team: teams.Get(key.TeamId).Name, LastUsedAt: key.LastUsedAt, ExpiresAt: key.ExpiresAt);
}
