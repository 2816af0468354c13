using Mitos.Contracts;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Server.Accounts;

namespace Mitos.Server.Api;

/// <summary>/v1/host, /v1/keys</summary>
internal static class HostRoutes
{
    public static void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/host", (IHostEngine engine) => engine.ProbeHost().ToBody()).WithTags("host").WithSummary("What this host can do");
        var keys = v1.MapGroup("/keys").WithTags("keys");
        keys.MapGet("/", (KeyStore store) => store.List()).WithSummary("Lists the API keys, without the keys themselves");
        keys.MapPost("/", (CreateKeyRequest request, KeyStore store) =>
        {
            if (request.Name is not { Length: > 0 and <= 100 })
                throw SandboxException.Invalid("A key has no name, or one that is too long.", "Give it 1 to 100 characters.");
            return Results.Created((string?)null, store.Create(request.Name));
        }).WithSummary("Creates an API key; it is shown once").Produces<KeyBody>(201);
        keys.MapDelete("/{id}", (string id, KeyStore store) =>
        {
            store.Delete(id);
            return Results.NoContent();
        }).WithSummary("Deletes an API key, at once");
    }
}
