using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mitos.Engine.Errors;

namespace Mitos.Server.Tls;

/// <summary>
/// An authority of this installation's own, <c>tls/ca.pem</c> and <c>tls/ca-key.pem</c> in the state directory: made once, so that clients
/// need to be told only once. Whoever has its key can pose as any host towards those who trust it, so only the owner may read it.
/// </summary>
internal sealed class OwnAuthority
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Private | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private static readonly TimeSpan Life = TimeSpan.FromDays(3650), Rest = TimeSpan.FromDays(LeafDays), Skew = TimeSpan.FromDays(1);

    /// <summary>How long what it signs is valid.</summary>
    private const int LeafDays = 90;

    private readonly X509Certificate2 _certificate;

    private OwnAuthority(string path, X509Certificate2 certificate) => (Path, _certificate) = (path, certificate);

    /// <summary>Of the certificate that clients must trust.</summary>
    public string Path { get; }

    /// <summary>Reads it, or makes it when there is none or it ends before what it would sign.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: a file of it is damaged or cannot be read.</exception>
    public static OwnAuthority Open(string stateDirectory, TimeProvider time)
    {
        var directory = System.IO.Path.Combine(stateDirectory, "tls");
        var (path, keyPath) = (System.IO.Path.Combine(directory, "ca.pem"), System.IO.Path.Combine(directory, "ca-key.pem"));
        if (File.Exists(path) && File.Exists(keyPath)) // the certificate is written last, so one alone is what a crash left
        {
            var found = Read(path, keyPath);
            if (found.NotAfter.ToUniversalTime() > time.GetUtcNow() + Rest)
                return new OwnAuthority(path, found);
            found.Dispose();
        }
        Directory.CreateDirectory(directory, Private | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Mitos local authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var made = request.CreateSelfSigned(time.GetUtcNow() - Skew, time.GetUtcNow() + Life);
        File.Delete(path);
        Write(keyPath, key.ExportPkcs8PrivateKeyPem(), Private);
        Write(path, made.ExportCertificatePem(), Public);
        return new OwnAuthority(path, made);
    }

    /// <summary>Signs a certificate with a key of its own for a domain and all names directly below it.</summary>
    public X509Certificate2 Sign(string domain, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=Mitos", key, HashAlgorithmName.SHA256); // a domain may be longer than a common name
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(domain);
        names.AddDnsName("*." + domain);
        names.AddDnsName("api." + domain);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false)); // servers
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f; // a positive number
        using var signed = request.Create(_certificate, now - Skew, now + TimeSpan.FromDays(LeafDays), serial);
        return signed.CopyWithPrivateKey(key);
    }

    private static X509Certificate2 Read(string path, string keyPath)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(path, keyPath);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The authority that Mitos made, {path} with {keyPath}, cannot be used: {e.Message}",
                "Restore both files; or remove both, and clients must be told to trust the new one.", e);
        }
    }

    private static void Write(string path, string text, UnixFileMode mode)
    {
        File.Delete(path + ".new"); // one that an earlier run left might have another mode
        using (var file = new FileStream(path + ".new", new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode }))
        {
            file.Write(Encoding.ASCII.GetBytes(text + "\n"));
            file.Flush(flushToDisk: true);
        }
        File.Move(path + ".new", path, overwrite: true);
    }
}
