using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Engine.Errors;
using Mitos.Server.Tests.Storage;
using Mitos.Server.Tls;

namespace Mitos.Server.Tests.Tls;

public sealed class CertificateTests : IDisposable
{
    private const string Domain = "mitos.localhost";
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private readonly string _directory = Directory.CreateTempSubdirectory("mitos-tls-").FullName;
    private readonly SetTime _time = new(Now);

    private string Authority => Path.Combine(_directory, "tls/ca.pem");

    private string AuthorityKey => Path.Combine(_directory, "tls/ca-key.pem");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void The_authority_is_made_once_and_only_its_owner_can_read_its_key()
    {
        Assert.Equal(Authority, OwnAuthority.Open(_directory, _time).Path);
        var made = File.ReadAllText(Authority);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(AuthorityKey));
        Assert.DoesNotContain("PRIVATE", made, StringComparison.Ordinal);
        OwnAuthority.Open(_directory, _time);
        Assert.Equal(made, File.ReadAllText(Authority));
        Assert.Equal(["ca-key.pem", "ca.pem"], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(Authority)!).Select(path => Path.GetFileName(path)).Order());
    }

    [Fact]
    public void An_authority_that_a_crash_left_half_or_that_ends_soon_is_made_anew()
    {
        OwnAuthority.Open(_directory, _time);
        File.Delete(Authority);
        OwnAuthority.Open(_directory, _time);
        var made = File.ReadAllText(Authority);
        _time.Now = Now.AddDays(3600);
        OwnAuthority.Open(_directory, _time);
        Assert.NotEqual(made, File.ReadAllText(Authority));
    }

    [Fact]
    public void A_damaged_authority_is_refused_and_the_refusal_says_what_to_do()
    {
        OwnAuthority.Open(_directory, _time);
        File.WriteAllText(AuthorityKey, "nothing");
        var refusal = Assert.Throws<SandboxException>(() => OwnAuthority.Open(_directory, _time));
        Assert.Contains(AuthorityKey, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("remove both", refusal.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void What_it_signs_is_for_the_domain_and_all_below_it_is_trusted_by_it_and_is_renewed_before_it_ends()
    {
        var source = new TlsOptions(new(System.Net.IPAddress.Loopback, 0)).Open(Domain, _directory, _time, NullLogger.Instance);
        Assert.Equal(Authority, source.Authority);
        var first = source.Current.TargetCertificate;
        Assert.All([Domain, "api." + Domain, "49983-abc." + Domain], name => Assert.True(first.MatchesHostname(name), name));
        Assert.All(["localhost", "other.localhost", "a.b." + Domain], name => Assert.False(first.MatchesHostname(name), name));
        using var chain = new X509Chain { ChainPolicy = { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, VerificationTime = Now.DateTime } };
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(Authority);
        Assert.True(chain.Build(first), string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation)));
        _time.Now = Now.AddDays(59);
        Assert.Same(first, source.Current.TargetCertificate);
        _time.Now = Now.AddDays(61);
        Assert.NotEqual(first.Thumbprint, source.Current.TargetCertificate.Thumbprint);
        Assert.True(source.Current.TargetCertificate.NotAfter.ToUniversalTime() > Now.AddDays(140));
    }

    [Theory]
    [InlineData("missing", "cannot be used", "PEM files")]
    [InlineData("not PEM", "cannot be used", "PEM files")]
    [InlineData("another key", "cannot be used", "its key")]
    [InlineData("expired", "has expired at 2026-01-01", "Renew it")]
    [InlineData("not yet", "is not valid before 2026-01-03", "clock")]
    [InlineData("another domain", "is not for hosts such as 3000-id.mitos.localhost", "*.mitos.localhost")]
    public void A_certificate_that_cannot_be_used_is_refused_with_its_path_the_reason_and_the_remedy(string fault, string reason, string remedy)
    {
        var (path, key) = fault switch
        {
            "expired" => Give(Now.AddDays(-9), Now.AddDays(-1), "*." + Domain),
            "not yet" => Give(Now.AddDays(1), Now.AddDays(9), "*." + Domain),
            "another domain" => Give(Now.AddDays(-1), Now.AddDays(9), "api." + Domain),
            _ => Give(Now.AddDays(-1), Now.AddDays(9), "*." + Domain),
        };
        if (fault == "missing")
            File.Delete(path);
        else if (fault == "not PEM")
            File.WriteAllText(path, "nothing");
        else if (fault == "another key")
            File.WriteAllText(key, ECDsa.Create(ECCurve.NamedCurves.nistP256).ExportPkcs8PrivateKeyPem());
        var refusal = Assert.Throws<SandboxException>(() => new GivenCertificate(path, key, Domain, _time, NullLogger.Instance));
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, refusal.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_given_certificate_that_is_replaced_is_taken_and_a_bad_one_in_its_place_is_not()
    {
        var (path, key) = Give(Now.AddDays(-1), Now.AddDays(9), "*." + Domain);
        var source = new GivenCertificate(path, key, Domain, _time, NullLogger.Instance);
        var first = source.Current.TargetCertificate.Thumbprint;
        Assert.Null(source.Authority);

        File.WriteAllText(path, "nothing");
        Later(1);
        Assert.Equal(first, source.Current.TargetCertificate.Thumbprint);

        Give(Now.AddDays(-1), Now.AddDays(90), "*." + Domain);
        Later(2);
        Assert.NotEqual(first, source.Current.TargetCertificate.Thumbprint);

        void Later(int minutes)
        {
            _time.Now = Now.AddMinutes(minutes);
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(minutes));
        }
    }

    private (string Path, string Key) Give(DateTimeOffset from, DateTimeOffset until, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=given", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(from, until);
        var (path, keyPath) = (Path.Combine(_directory, "given.pem"), Path.Combine(_directory, "given-key.pem"));
        File.WriteAllText(path, made.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return (path, keyPath);
    }
}
