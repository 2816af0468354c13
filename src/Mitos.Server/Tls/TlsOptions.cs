using System.Net;

namespace Mitos.Server.Tls;

/// <summary>How a domain is served by HTTPS.</summary>
/// <param name="Listen">Loopback address and port; 0 for any.</param>
/// <param name="Certificate">PEM file of a certificate for the domain and all below it, and of its chain; null: Mitos makes one.</param>
/// <param name="Key">PEM file of its key; null exactly when <paramref name="Certificate"/> is.</param>
internal sealed record TlsOptions(IPEndPoint Listen, string? Certificate = null, string? Key = null)
{
    /// <exception cref="Mitos.Engine.Errors.SandboxException">The certificate, or our own authority, cannot be used.</exception>
    public ICertificateSource Open(string domain, string stateDirectory, TimeProvider time, ILogger logger) => Certificate is null
        ? new OwnCertificates(OwnAuthority.Open(stateDirectory, time), domain, time)
        : new GivenCertificate(Certificate, Key!, domain, time, logger);
}
