using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Mitos.Contracts;
using Mitos.Server.Api;

namespace Mitos.Server.Accounts;

/// <summary>Lets requests with a valid API key pass, and those that need none; from then on <see cref="Caller.Current"/> says whose they are.</summary>
internal static class KeyGate
{
    private const int MaxIdempotencyKey = 255;
    private static readonly object LocalUser = new();

    // The description of the API is public, and a browser cannot send a key with it.
    private static readonly string[] Open = ["/health", "/openapi", "/scalar"];

    /// <summary>Connections of this listener need no key: its file mode guards it.</summary>
    public static void TrustLocalUser(this ListenOptions listener) => listener.Use(next => connection =>
    {
        connection.Items[LocalUser] = LocalUser;
        return next(connection);
    });

    public static void UseKeyGate(this WebApplication app, KeyStore keys) => app.Use(async (context, next) =>
    {
        if (CallerOf(context, keys) is { } caller)
        {
            Caller.Current = caller;
            context.Items[typeof(Caller)] = caller; // for those who look from outside
            await next(context);
            return;
        }
        if (IsOpen(context.Request.Path))
        {
            await next(context);
            return;
        }
        context.Response.Headers.WWWAuthenticate = "Bearer";
        await Errors.WriteAsync(context, StatusCodes.Status401Unauthorized, Refuse(context, keys));
    });

    private static ErrorBody Refuse(HttpContext context, KeyStore keys)
    {
        if (keys.FindExpired(ReadKey(context.Request)) is not { } expired)
        {
            return new ErrorBody(ErrorCodes.Unauthenticated, "An API key is missing or not valid.",
                "Send `Authorization: Bearer KEY`; the first key stands in the file api-key of the state directory.");
        }
        context.Items[typeof(Caller)] = new Caller(expired.TeamId, expired.Id, null); // for those who look from outside: he may nothing, and is known
        return new ErrorBody(ErrorCodes.Unauthenticated, $"The API key '{expired.Name}' expired at {expired.ExpiresAt!.Value.UtcDateTime:O}.", "Use another key; `mitos keys create NAME` makes one.");
    }

    private static Caller? CallerOf(HttpContext context, KeyStore keys)
    {
        var idempotency = context.Request.Headers["Idempotency-Key"].ToString() is { Length: > 0 } given
            ? given.Length <= MaxIdempotencyKey ? given : throw new Microsoft.AspNetCore.Http.BadHttpRequestException($"Idempotency-Key may have {MaxIdempotencyKey} characters, not {given.Length}.")
            : null;
        if (IsLocalUser(context))
            return new Caller(Team.DefaultId, null, null) { IdempotencyKey = idempotency };
        if (keys.Find(ReadKey(context.Request)) is not { } key)
            return null;
        keys.Use(key);
        return new Caller(key.TeamId, key.Id, context.Connection.RemoteIpAddress?.ToString()) { IdempotencyKey = idempotency };
    }

    private static bool IsLocalUser(HttpContext context) => context.Features.Get<IConnectionItemsFeature>()?.Items.ContainsKey(LocalUser) == true;

    private static bool IsOpen(PathString path) => Array.Exists(Open, open => path.StartsWithSegments(open, StringComparison.Ordinal));

    private static string ReadKey(HttpRequest request)
    {
        var authorization = request.Headers.Authorization.ToString();
        return authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization[7..].Trim() : request.Headers["X-API-Key"].ToString();
    }
}
