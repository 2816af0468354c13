using System.Net;

namespace Mitos.Server.Tests.Tls;

public sealed class OptionTests
{
    [Fact]
    public void A_domain_is_served_by_HTTPS_on_loopback_at_a_port_that_clients_are_told()
    {
        var options = ServerOptions.Parse(["--domain", "Mitos.Localhost"]);
        Assert.Equal(("mitos.localhost", 7443, new IPEndPoint(IPAddress.Loopback, 7443), null), (options.Domain, options.DomainPort, options.Tls!.Listen, options.Tls.Certificate));
        Assert.Equal("mitos.localhost:7443", E2B.E2BOptions.Of(options, null).Domain);
        options = ServerOptions.Parse(["--domain", "mitos.localhost:443", "--tls-listen", "[::1]:8443", "--tls-cert", "/a", "--tls-key", "/b"]);
        Assert.Equal((443, 8443, "/a", "/b"), (options.DomainPort, options.Tls!.Listen.Port, options.Tls.Certificate, options.Tls.Key));
        Assert.Equal("mitos.localhost", E2B.E2BOptions.Of(options, null).Domain);
    }

    [Fact]
    public void Without_a_domain_or_with_somebody_else_before_it_there_is_no_HTTPS()
    {
        Assert.Null(ServerOptions.Parse([]).Tls);
        var options = ServerOptions.Parse(["--domain", "mitos.example.com", "--tls-listen", "none"]);
        Assert.Null(options.Tls);
        Assert.Equal("mitos.example.com", E2B.E2BOptions.Of(options, null).Domain);
    }

    [Theory]
    [InlineData("two labels", "--domain", "localhost")]
    [InlineData("two labels", "--domain", "a..b")]
    [InlineData("two labels", "--domain", "-a.example")]
    [InlineData("two labels", "--domain", "10.0.0.1")]
    [InlineData("two labels", "--domain", "a.example:0")]
    [InlineData("two labels", "--domain", "a.example:http")]
    [InlineData("two labels", "--domain", "https://a.example")]
    [InlineData("loopback", "--domain", "a.example", "--tls-listen", "0.0.0.0:7443")]
    [InlineData("loopback", "--domain", "a.example", "--tls-listen", "7443")]
    [InlineData("belong together", "--domain", "a.example", "--tls-cert", "/a")]
    [InlineData("belong together", "--domain", "a.example", "--tls-key", "/a")]
    public void Options_that_make_no_sense_are_refused(string reason, params string[] args) =>
        Assert.Contains(reason, Assert.Throws<ArgumentException>(() => ServerOptions.Parse(args)).Message, StringComparison.Ordinal);
}
