using System.Net.Security;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Mitos.Server.Tls;

/// <summary>Has a listener speak TLS, and HTTP/2 or HTTP/1.1 inside it as clients choose (ALPN).</summary>
internal static class TlsListener
{
    public static void UseTls(this ListenOptions listener, ICertificateSource certificates)
    {
        listener.Protocols = HttpProtocols.Http1AndHttp2;
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = certificates.Current }),
        });
    }
}
