using System.Net;
using System.Security.Authentication;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Gateway;

/// <summary>The domain by HTTPS: the control plane at <c>api</c>, sandboxes at <c>PORT-ID</c>.</summary>
public sealed class DomainTests(DomainFixture domain) : IClassFixture<DomainFixture>
{
    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task The_control_plane_and_sandboxes_are_served_in_the_version_that_clients_choose(string version)
    {
        using var http = domain.Connect(version);
        using var health = await http.GetAsync($"https://api.{ServerFixture.Domain}/health", ServerFixture.Soon);
        Assert.Equal((HttpStatusCode.OK, Version.Parse(version)), (health.StatusCode, health.Version));

        using var refused = await http.GetAsync($"https://api.{ServerFixture.Domain}/v2/sandboxes", ServerFixture.Soon);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var asked = new HttpRequestMessage(HttpMethod.Get, $"https://api.{ServerFixture.Domain}/v2/sandboxes") { Headers = { { "X-API-KEY", domain.Server.Key } }, Version = Version.Parse(version) };
        using var list = await http.SendAsync(asked, ServerFixture.Soon);
        Assert.Contains(domain.Id, await list.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        using var port = await http.GetAsync(domain.Url(DomainFixture.Port, "/where"), ServerFixture.Soon);
        Assert.Equal(Version.Parse(version), port.Version);
        Assert.Equal($"127.0.0.1 {domain.Host(DomainFixture.Port)}", await port.Content.ReadAsStringAsync());
        using var agent = await http.GetAsync(domain.Url(49983, "/health"), ServerFixture.Soon);
        Assert.Equal(HttpStatusCode.NoContent, agent.StatusCode);
    }

    [Fact]
    public async Task Calls_of_grpc_reach_servers_in_guests_in_their_own_version_with_their_status_at_the_end()
    {
        using var http = domain.Connect("2.0");
        using var call = new HttpRequestMessage(HttpMethod.Post, domain.Url(DomainFixture.Port, "/a.Service/Method")) { Version = HttpVersion.Version20, Content = new ByteArrayContent([0, 0, 0, 0, 2, 8, 7]) };
        call.Content.Headers.ContentType = new("application/grpc");
        using var answer = await http.SendAsync(call, ServerFixture.Soon);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (answer.StatusCode, answer.Version));
        Assert.Equal([0, 0, 0, 0, 2, 8, 7], await answer.Content.ReadAsByteArrayAsync());
        Assert.Equal("0", Assert.Single(answer.TrailingHeaders.GetValues("grpc-status")));
    }

    [Fact]
    public async Task A_client_that_was_not_told_of_the_authority_does_not_trust_it()
    {
        using var http = domain.Connect(trust: false);
        var refused = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync($"https://api.{ServerFixture.Domain}/health"));
        Assert.IsType<AuthenticationException>(refused.InnerException);
    }

    [Fact]
    public async Task The_endpoints_say_where_the_domain_is_and_whom_to_trust()
    {
        var endpoints = await domain.Server.Client.GetEndpointsAsync(ServerFixture.Soon);
        Assert.Equal(new EndpointsBody(domain.Server.Address.ToString().TrimEnd('/'), ServerFixture.Domain, Path.Combine(domain.Server.Options.StateDirectory, "tls/ca.pem"), $"https://api.{ServerFixture.Domain}"), endpoints);
    }

    [Fact]
    public async Task The_local_user_of_the_unix_socket_is_nobody_special_there()
    {
        using var http = domain.Connect();
        await http.GetAsync($"https://api.{ServerFixture.Domain}/v1/sandboxes", ServerFixture.Soon).RefusedAsync(401);
    }
}
