using Microsoft.Net.Http.Headers;

namespace Mitos.Server.E2B.Envd;

/// <summary>How an answer may be compressed (RFC 9110, 12.5.3). Only gzip is there.</summary>
internal static class ContentCoding
{
    public const string Gzip = "gzip", Identity = "identity";

    /// <summary>What the client likes best of what there is; null: it takes nothing of it.</summary>
    public static string? Accepted(HttpRequest request)
    {
        if (!StringWithQualityHeaderValue.TryParseList(request.Headers.AcceptEncoding, out var asked))
            return Identity;
        var identity = !asked.Any(coding => Is(coding, Identity) && coding.Quality == 0);
        foreach (var coding in asked.Where(coding => coding.Quality != 0).OrderByDescending(coding => coding.Quality ?? 1))
        {
            if (Is(coding, Gzip))
                return Gzip;
            if (Is(coding, Identity))
                return Identity;
            if (Is(coding, "*"))
                return identity ? Identity : Gzip;
        }
        return identity ? Identity : null;
    }

    private static bool Is(StringWithQualityHeaderValue coding, string name) => coding.Value.Equals(name, StringComparison.OrdinalIgnoreCase);
}
