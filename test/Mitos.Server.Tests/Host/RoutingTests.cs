using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class RoutingTests(ServerFixture server)
{
    [Theory]
    [InlineData("nothing/here")]
    [InlineData("v1")]
    [InlineData("v9/sandboxes")]
    [InlineData("v1/sandboxes/x/unknown")]
    public async Task An_unknown_address_is_not_found_and_says_where_the_addresses_are(string path)
    {
        var error = await server.Http.GetAsync(path).RefusedAsync(404);
        Assert.Equal(ErrorCodes.NotFound, error.Code);
        Assert.Contains("/openapi/v1.json", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_method_that_an_address_does_not_have_is_refused_with_those_that_it_has()
    {
        var error = await server.Http.PatchAsync("v1/sandboxes", null).RefusedAsync(405);
        Assert.Equal(ErrorCodes.Unsupported, error.Code);
        Assert.Contains("GET", error.Remedy, StringComparison.Ordinal);
        Assert.Contains("POST", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_that_shows_the_API_is_there()
    {
        using var plain = new HttpClient { BaseAddress = server.Address };
        Assert.Contains("<html", await plain.GetStringAsync("scalar/v1"), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Health_and_host_facts_are_those_of_this_process_and_host()
    {
        var health = await server.Http.GetAsync("health").ReadAsync<HealthBody>();
        Assert.Equal(("ok", Environment.ProcessId), (health.Status, health.Pid));
        var host = await server.Http.GetAsync("v1/host").ReadAsync<HostBody>();
        Assert.Equal((server.Options.StateDirectory, Environment.ProcessorCount), (host.StateDirectory, host.CpuCount));
        Assert.True(host.MemoryBytes > host.MemoryAvailableBytes && host.MemoryAvailableBytes > 0);
        Assert.Contains(host.Checks, check => check is { Name: "VMM", Status: "ok" });
    }

    [Fact]
    public async Task The_socket_is_for_its_owner_only()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(server.Socket));
        using var local = server.ConnectLocal();
        await local.GetAsync("v1/keys").ReadAsync();
    }
}
