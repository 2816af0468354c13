using Mitos.Server.Observability;

namespace Mitos.Server.Requests;

/// <summary>The code that a request was refused with, for those who count and write down.</summary>
internal static class Refusal
{
    /// <summary>Says that an error is answered; once for each.</summary>
    public static void Note(HttpContext context, string code)
    {
        ServerMeter.Refused(code);
        context.Items[typeof(Refusal)] = code;
    }

    /// <summary>Null: the request was not refused, or not yet.</summary>
    public static string? CodeOf(HttpContext context) => context.Items[typeof(Refusal)] as string;

    /// <summary>Where only a status says it, in Connect's words.</summary>
    public static string CodeOf(int status) => status switch
    {
        401 => "unauthenticated",
        403 => "permission_denied",
        404 => "not_found",
        405 or 501 => "unimplemented",
        429 or 507 => "resource_exhausted",
        503 => "unavailable",
        504 => "deadline_exceeded",
        < 500 => "invalid_argument",
        _ => "internal",
    };
}
