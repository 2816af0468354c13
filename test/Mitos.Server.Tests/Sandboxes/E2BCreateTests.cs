using System.Text.Json;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>What a sandbox of E2B's may be asked to be.</summary>
public sealed class E2BCreateTests(ServerFixture server)
{
    [Theory]
    [InlineData("allowPublicTraffic", """{"network":{"allowPublicTraffic":"false"}}""")]
    [InlineData("allowPublicTraffic", """{"network":{"allowPublicTraffic":false,"allowPublicTraffic":true}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":""}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"a b"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"a.com\r\nX-Other: 1"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"https://a.com"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"a.com:65536"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"a.com:"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"b\u00fccher.example"}}""")]
    [InlineData("maskRequestHost", """{"network":{"maskRequestHost":"fe80::1:80"}}""")]
    [InlineData("egressProxy", """{"network":{"egressProxy":{}}}""")]
    [InlineData("egressProxy", """{"network":{"egressProxy":{"address":"proxy.example.com"}}}""")]
    [InlineData("egressProxy", """{"network":{"egressProxy":{"address":"socks5://proxy.example.com:1080"}}}""")]
    [InlineData("rules", """{"network":{"rules":{"a.com":[null]}}}""")]
    [InlineData("iam.tokens", """{"iam":{"tokens":{"cloud":{"audience":"sts.example.com","tokenType":"jwt"}}}}""")]
    [InlineData("volumeMounts", """{"volumeMounts":[{"name":"data","path":"/data"}]}""")]
    public async Task What_a_sandbox_cannot_be_is_refused_by_its_name(string field, string asked)
    {
        await server.EnsureBaseAsync();
        var before = server.Engine.Sandboxes.List().Count;
        using var response = await server.Http.PostJsonAsync("v2/sandboxes", """{"templateID":"base",""" + asked[1..]);
        var text = await response.Content.ReadAsStringAsync(ServerFixture.Soon);
        Assert.True((int)response.StatusCode == 400 && text.Contains(field, StringComparison.Ordinal), $"{(int)response.StatusCode} {text}");
        Assert.Equal(before, server.Engine.Sandboxes.List().Count);
    }

    [Fact]
    public async Task A_network_may_be_all_that_E2B_describes()
    {
        var sandbox = await server.ShareAsync();
        foreach (var network in new[]
        {
            """{"maskRequestHost":"a.example.com"}""", """{"maskRequestHost":"localhost:${PORT}"}""", """{"maskRequestHost":"${PORT}-x.example.com:443"}""", """{"maskRequestHost":"[::1]:${PORT}"}""", """{"maskRequestHost":"127.0.0.1"}""",
            """{"egressProxy":{"address":"proxy.example.com:1080","username":"a","password":"b"}}""", """{"egressProxy":{"address":"10.0.0.1:1080"}}""", """{"rules":{"a.com":[{"transform":{"headers":{"X-A":"b"}}}],"b.com":[],"c.com":[{}]}}""",
            """{"allowOut":null,"denyOut":null,"egressProxy":null,"rules":null,"maskRequestHost":null,"allowPublicTraffic":null,"httpsPorts":[443]}""",
        })
        {
            using var response = await server.Http.PutAsync($"sandboxes/{sandbox}/network", HttpRequests.Json(network), ServerFixture.Soon);
            Assert.True((int)response.StatusCode == 204, $"{network}: {await response.Content.ReadAsStringAsync(ServerFixture.Soon)}");
        }
    }

    [Fact]
    public async Task The_template_of_a_sandbox_is_what_the_name_stands_for()
    {
        await server.EnsureBaseAsync();
        var made = new List<string>();
        try
        {
            var first = await CreateAsync("team/base:default");
            Assert.Equal("base", first.GetProperty("templateID").GetString());
            var snapshot = (await server.Http.PostJsonAsync($"sandboxes/{made[0]}/snapshots", """{"name":"resolved"}""").ReadAsync()).GetProperty("snapshotID").GetString()!;
            var second = await CreateAsync("resolved");
            Assert.Equal(snapshot, second.GetProperty("templateID").GetString());
            Assert.Equal(snapshot, (await server.Http.GetAsync($"sandboxes/{made[1]}").ReadAsync()).GetProperty("templateID").GetString());
            foreach (var (template, index) in new[] { ("base", 0), ("base:default", 0), ("resolved", 1), (snapshot, 1) })
            {
                var listed = (await server.Http.GetAsync($"v2/sandboxes?template={Uri.EscapeDataString(template)}").ReadAsync()).EnumerateArray().Select(item => item.GetProperty("sandboxID").GetString()!).ToList();
                Assert.Equal([made[index]], listed.Intersect(made));
            }
        }
        finally
        {
            foreach (var id in made)
                await server.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();
            if (server.Engine.Snapshots.TryFind("resolved") is { } left)
                server.Engine.Snapshots.Remove(left.Id);
        }

        async Task<JsonElement> CreateAsync(string template)
        {
            var body = await server.Http.PostJsonAsync("v2/sandboxes", JsonSerializer.Serialize(new { templateID = template })).ReadAsync();
            made.Add(body.GetProperty("sandboxID").GetString()!);
            return body;
        }
    }
}
