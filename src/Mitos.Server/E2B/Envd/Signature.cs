using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Mitos.Server.E2B.Envd;

/// <summary>Signed URLs of files: <c>v1_</c> and the SHA-256 of path, operation, user, token and end, as E2B's clients make them.</summary>
internal static class Signature
{
    private const string Version = "v1_";

    public static bool IsSigned(HttpRequest request) => request.Query.ContainsKey("signature");

    /// <summary>Whether it is made with this token, whatever its end.</summary>
    public static bool Matches(HttpRequest request, string token)
    {
        var signature = request.Query["signature"].ToString();
        var text = $"{request.Query["path"]}:{(HttpMethods.IsPost(request.Method) ? "write" : "read")}:{request.Query["username"]}:{token}";
        if (request.Query["signature_expiration"].ToString() is { Length: > 0 } end)
            text += ":" + end;
        var expected = Version + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text))).TrimEnd('=');
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(signature.TrimEnd('=')));
    }

    /// <summary>Whether its end is past, or makes no sense.</summary>
    public static bool IsExpired(HttpRequest request, DateTimeOffset now) => request.Query["signature_expiration"].ToString() is { Length: > 0 } end
        && (!long.TryParse(end, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds) || seconds < now.ToUnixTimeSeconds());

    /// <summary>What one is told whose signature fits no sandbox.</summary>
    public static string Refusal(HttpRequest request) =>
        !IsSigned(request) ? "missing signature query parameter" : IsExpired(request, DateTimeOffset.UtcNow) ? Expired : "invalid signature";

    public const string Expired = "signature is already expired";
}
