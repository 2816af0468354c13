using Mitos.Server.Tls;

namespace Mitos.Server.E2B;

/// <summary>What this installation says of itself to clients of E2B's.</summary>
/// <param name="Domain">Sandboxes are reached as <c>PORT-ID.DOMAIN</c>, which has a port when it is not that of HTTPS: clients only ever add to its front. Null: by headers only.</param>
/// <param name="CertificateAuthority">Path of the certificate that clients must trust for that domain; null: none of ours.</param>
/// <param name="Secure">Whether this daemon serves the domain by HTTPS.</param>
internal sealed record E2BOptions(string? Domain = null, string? CertificateAuthority = null, bool Secure = false)
{
    private const int Https = 443;

    /// <summary>The release of E2B's agent whose behaviour is shown; clients choose by it what they may ask for.</summary>
    public const string EnvdVersion = "0.6.13";

    public static E2BOptions Of(ServerOptions options, ICertificateSource? certificates) => new(
        options is { Domain: not null, DomainPort: { } port and not Https } ? $"{options.Domain}:{port}" : options.Domain, certificates?.Authority, certificates is not null);

    /// <summary>Clients want one, and use it for nothing.</summary>
    public const string ClientId = "mitos";
}
