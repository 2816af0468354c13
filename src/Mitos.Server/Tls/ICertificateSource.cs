using System.Net;
using System.Net.Security;

namespace Mitos.Server.Tls;

/// <summary>The certificate that a domain shows.</summary>
internal interface ICertificateSource
{
    /// <summary>Path of the certificate that clients must be told to trust; null: they trust it anyway.</summary>
    string? Authority { get; }

    /// <summary>The one for a connection that begins now, with the chain that is sent along.</summary>
    SslStreamCertificateContext Current { get; }
}

/// <summary>Where HTTPS is served, and with what.</summary>
internal sealed record TlsEndpoint(IPEndPoint Listen, ICertificateSource Certificates);
