using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Contracts;
using Mitos.Server.Requests;

namespace Mitos.Server.Gateway;

/// <summary>What requests for sandboxes are answered when they cannot be served, in the words of E2B's: JSON for programs, a page for browsers.</summary>
internal static class GatewayErrors
{
    public static Task NotFoundAsync(HttpContext context, string id) =>
        WriteAsync(context, ErrorCodes.NotFound, new(id, "The sandbox was not found", 502), "This sandbox does not run. It may have ended, or it is paused.");

    public static Task ClosedPortAsync(HttpContext context, string id, int port) =>
        WriteAsync(context, ErrorCodes.FailedPrecondition, new(id, "The sandbox is running but port is not open", 502, port), $"The sandbox runs, but nothing in it listens on port {port}. Start your server, then load this page again.");

    public static Task NoAnswerAsync(HttpContext context, string id, int port) =>
        WriteAsync(context, ErrorCodes.Unavailable, new(id, "The server in the sandbox ended the connection without an answer", 502, port), $"Something listens on port {port} of the sandbox, but it gave no answer that HTTP knows. Look at what your server says.");

    public static Task TooLateAsync(HttpContext context, string id, int port) =>
        WriteAsync(context, ErrorCodes.DeadlineExceeded, new(id, "The server in the sandbox did not answer in time", 504, port), $"What listens on port {port} of the sandbox takes too long. Look at what your server does.");

    public static Task NoTokenAsync(HttpContext context, string id, string header, bool missing) =>
        WriteAsync(context, ErrorCodes.PermissionDenied, new(id, $"Sandbox is secured with traffic access token. {(missing ? $"Token header '{header}' is missing" : $"Provided token in header '{header}' is invalid")}", 403),
            $"This sandbox takes requests only with its traffic access token, in the header {header}.");

    public static Task NoAccessAsync(HttpContext context, string id, bool missing) =>
        WriteAsync(context, ErrorCodes.Unauthenticated, new(id, missing ? "Missing access token" : "Invalid access token", 401), "Code runs in this sandbox only for its access token.");

    /// <summary>A paused one that the request should have resumed, and that could not be: its team runs as many as it may, the host is full, the database is away.</summary>
    public static Task NotResumedAsync(HttpContext context, string id, (int Status, ErrorBody Body) failure) =>
        WriteAsync(context, failure.Body.Code, new(id, failure.Body.Message, failure.Status), $"This sandbox is paused, and could not be resumed. {failure.Body.Remedy}");

    public static Task InTransitionAsync(HttpContext context, string id) =>
        WriteAsync(context, ErrorCodes.Conflict, new(id, "The sandbox is still transitioning. Try again in a moment.", 409), "This sandbox is being started or paused. Load this page again in a moment.");

    public static Task TooManyAsync(HttpContext context, string id, int limit) =>
        WriteAsync(context, ErrorCodes.Exhausted, new(id, $"The sandbox has too many concurrent incoming connections (limit: {limit})", 429, ConnectionLimit: limit), "Load this page again when some of them have ended.");

    /// <summary>The request names its sandbox in a way that cannot be understood.</summary>
    public static Task BadAsync(HttpContext context, string message)
    {
        Refusal.Note(context, ErrorCodes.InvalidArgument);
        context.Response.StatusCode = 400;
        Cors.Mark(context);
        return WantsPage(context) ? PageAsync(context, message, "Hosts of sandboxes are named PORT-ID.DOMAIN, for example 3000-ID.DOMAIN.", null) : context.Response.WriteAsync(message);
    }

    private static Task WriteAsync(HttpContext context, string code, GatewayError error, string explanation)
    {
        Refusal.Note(context, code);
        context.Response.StatusCode = error.Code;
        Cors.Mark(context);
        return WantsPage(context) ? PageAsync(context, error.Message, explanation, error.SandboxId) : context.Response.WriteAsJsonAsync(error, GatewayJson.Default.GatewayError);
    }

    private static bool WantsPage(HttpContext context) => context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    private static Task PageAsync(HttpContext context, string message, string explanation, string? id)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync($$"""
            <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{WebUtility.HtmlEncode(message)}}</title>
            <style>body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}code{background:#eee;padding:.1em .3em}</style>
            <h1>{{WebUtility.HtmlEncode(message)}}</h1><p>{{WebUtility.HtmlEncode(explanation)}}</p>{{(id is null ? "" : $"<p>Sandbox <code>{WebUtility.HtmlEncode(id)}</code></p>")}}</html>
            """);
    }
}

/// <summary>The body of a refusal. A field that does not belong to it is left out.</summary>
internal sealed record GatewayError(string SandboxId, string Message, int Code, int? Port = null, int? ConnectionLimit = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GatewayError))]
internal sealed partial class GatewayJson : JsonSerializerContext;
