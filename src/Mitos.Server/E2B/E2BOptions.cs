namespace Mitos.Server.E2B;

/// <summary>What this installation says of itself to clients of E2B's.</summary>
/// <param name="Domain">Sandboxes are reached as <c>PORT-ID.DOMAIN</c>; null: by headers only.</param>
/// <param name="CertificateAuthority">Path of the certificate that clients must trust for that domain; null: none of ours.</param>
internal sealed record E2BOptions(string? Domain = null, string? CertificateAuthority = null)
{
    /// <summary>The release of E2B's agent whose behaviour is shown; clients choose by it what they may ask for.</summary>
    public const string EnvdVersion = "0.6.13";

    /// <summary>Clients want one, and use it for nothing.</summary>
    public const string ClientId = "mitos";
}
