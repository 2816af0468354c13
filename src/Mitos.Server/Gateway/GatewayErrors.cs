using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Contracts;

namespace Mitos.Server.Gateway;

/// <summary>What requests for sandboxes are answered when they cannot be served: JSON for programs, a page for browsers.</summary>
internal static class GatewayErrors
{
    public static Task NotFoundAsync(HttpContext context, string id) => WriteAsync(context, 502, new(id, "The sandbox was not found", 502), "This sandbox does not run. It may have ended, or it is paused.");

    public static Task ClosedPortAsync(HttpContext context, string id, int port) =>
        WriteAsync(context, 502, new(id, "The sandbox is running but port is not open", 502, port), $"The sandbox runs, but nothing in it listens on port {port}. Start your server, then load this page again.");

    public static Task NoTokenAsync(HttpContext context, string id, bool missing) =>
        WriteAsync(context, 403, new(id, missing ? "Missing traffic access token" : "Invalid traffic access token", 403), "This sandbox takes requests only with its traffic access token.");

    public static Task NoAccessAsync(HttpContext context, string id, bool missing) =>
        WriteAsync(context, 401, new(id, missing ? "Missing access token" : "Invalid access token", 401), "Code runs in this sandbox only for its access token.");

    /// <summary>A paused one that the request should have resumed, and that could not be: its team runs as many as it may, the host is full, the database is away.</summary>
    public static Task NotResumedAsync(HttpContext context, string id, (int Status, ErrorBody Body) failure) =>
        WriteAsync(context, failure.Status, new(id, failure.Body.Message, failure.Status), $"This sandbox is paused, and could not be resumed. {failure.Body.Remedy}");

    public static Task BadAsync(HttpContext context, string message)
    {
        context.Response.StatusCode = 400;
        return context.Response.WriteAsync(message);
    }

    private static Task WriteAsync(HttpContext context, int status, GatewayError error, string explanation)
    {
        context.Response.StatusCode = status;
        if (!context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
            return context.Response.WriteAsJsonAsync(error, GatewayJson.Default.GatewayError);
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync($"""
            <!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{WebUtility.HtmlEncode(error.Message)}</title>
            <style>body{"{"}font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em{"}"}code{"{"}background:#eee;padding:.1em .3em{"}"}</style>
            <h1>{WebUtility.HtmlEncode(error.Message)}</h1><p>{WebUtility.HtmlEncode(explanation)}</p><p>Sandbox <code>{WebUtility.HtmlEncode(error.SandboxId)}</code></p></html>
            """);
    }
}

internal sealed record GatewayError(string SandboxId, string Message, int Code, int? Port = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GatewayError))]
internal sealed partial class GatewayJson : JsonSerializerContext;
