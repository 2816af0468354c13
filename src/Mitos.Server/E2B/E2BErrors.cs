using Mitos.Contracts;
using Mitos.Server.Api;
using Mitos.Server.E2B.Control;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B;

/// <summary>Failures in E2B's shape, <c>{code, message}</c>, on E2B's routes.</summary>
internal static class E2BErrors
{
    private static readonly string[] Routes = ["/sandboxes", "/v2", "/v3", "/templates", "/snapshots", "/teams", "/api-keys", "/events", "/access-tokens", "/volumes", "/secrets"];

    public static bool Covers(PathString path) => Array.Exists(Routes, route => path.StartsWithSegments(route, StringComparison.Ordinal));

    /// <summary>Answers what our own API would have answered.</summary>
    public static Task WriteAsync(HttpContext context, int status, ErrorBody body) =>
        SendAsync(context, Translate(status, body.Code), body.Remedy is { Length: > 0 } remedy && status is 401 or >= 500 ? $"{body.Message} {remedy}" : body.Message);

    /// <summary>Answers where only a status is known. It is counted.</summary>
    public static Task WriteAsync(HttpContext context, int status, string message)
    {
        Refusal.Note(context, Refusal.CodeOf(status));
        return SendAsync(context, status, message);
    }

    private static Task SendAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(new E2BError(status, message), E2BJson.Default.E2BError);
    }

    public static (int Status, string Message) Describe(Exception e)
    {
        if (e is E2BException refusal)
            return (refusal.Status, refusal.Message);
        var (status, body) = Errors.Describe(e);
        return (Translate(status, body.Code), body.Message);
    }

    // Theirs has neither 412 nor 507.
    private static int Translate(int status, string code) => status switch
    {
        412 => 409,
        507 when code == ErrorCodes.Exhausted => 503,
        _ => status,
    };
}
