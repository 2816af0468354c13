using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mitos.Engine.Errors;

namespace Mitos.Server.Tls;

/// <summary>A certificate from PEM files. Files that were replaced are taken at the next connection; bad ones are told, and the old ones stay.</summary>
internal sealed partial class GivenCertificate : ICertificateSource
{
    private static readonly TimeSpan LookAfter = TimeSpan.FromSeconds(10);
    private readonly string _path, _keyPath, _domain;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private SslStreamCertificateContext _current;
    private DateTime _written;
    private DateTimeOffset _look;

    /// <exception cref="SandboxException">FailedPrecondition: the files cannot be used for this domain now.</exception>
    public GivenCertificate(string path, string keyPath, string domain, TimeProvider time, ILogger logger)
    {
        (_path, _keyPath, _domain, _time, _logger) = (path, keyPath, domain, time, logger);
        (_written, _look) = (Written(), time.GetUtcNow() + LookAfter);
        _current = Read();
    }

    public string? Authority => null;

    public SslStreamCertificateContext Current
    {
        get
        {
            lock (_lock)
            {
                if (_time.GetUtcNow() < _look)
                    return _current;
                _look = _time.GetUtcNow() + LookAfter;
                if (Written() is var written && written == _written)
                    return _current;
                _written = written;
                try
                {
                    _current = Read();
                }
                catch (SandboxException e)
                {
                    LogKept(_logger, e.Message);
                }
                return _current;
            }
        }
    }

    private DateTime Written()
    {
        var (certificate, key) = (File.GetLastWriteTimeUtc(_path), File.GetLastWriteTimeUtc(_keyPath));
        return certificate > key ? certificate : key;
    }

    private SslStreamCertificateContext Read()
    {
        X509Certificate2 certificate;
        var chain = new X509Certificate2Collection();
        try
        {
            certificate = X509Certificate2.CreateFromPemFile(_path, _keyPath);
            chain.ImportFromPemFile(_path);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw Refuse($"cannot be used: {e.Message}", "Give PEM files that mitosd may read: --tls-cert the certificate and its chain, --tls-key its key without a password.", e);
        }
        var (from, until, now) = (certificate.NotBefore.ToUniversalTime(), certificate.NotAfter.ToUniversalTime(), _time.GetUtcNow());
        if (until <= now)
            throw Refuse($"has expired at {until:u}", "Renew it.");
        if (from > now)
            throw Refuse($"is not valid before {from:u}", "Wait, or set this host's clock.");
        if (Array.Find([$"api.{_domain}", $"3000-id.{_domain}"], name => !certificate.MatchesHostname(name)) is { } missing)
            throw Refuse($"is not for hosts such as {missing}", $"Use one whose names include *.{_domain}; or leave out --tls-cert, and Mitos makes one.");
        return SslStreamCertificateContext.Create(certificate, chain, offline: true);
    }

    private SandboxException Refuse(string state, string remedy, Exception? inner = null) =>
        new(ErrorCode.FailedPrecondition, $"The certificate {_path} with the key {_keyPath} {state}.", remedy, inner);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Reason} The one from before stays.")]
    private static partial void LogKept(ILogger logger, string reason);
}
