using System.Net.Security;

namespace Mitos.Server.Tls;

/// <summary>Certificates that our own authority signs: made when they are needed, kept in memory only, and replaced long before they end.</summary>
internal sealed class OwnCertificates(OwnAuthority authority, string domain, TimeProvider time) : ICertificateSource
{
    private static readonly TimeSpan Rest = TimeSpan.FromDays(30);
    private readonly Lock _lock = new();
    private SslStreamCertificateContext? _current;

    public string Authority => authority.Path;

    public SslStreamCertificateContext Current
    {
        get
        {
            lock (_lock)
            {
                if (_current is null || _current.TargetCertificate.NotAfter.ToUniversalTime() < time.GetUtcNow() + Rest)
                    _current = SslStreamCertificateContext.Create(authority.Sign(domain, time.GetUtcNow()), null, offline: true);
                return _current;
            }
        }
    }
}
