using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Accounts;

/// <summary>A private template is there for its own team and the local user; a public one is used by all, and changed by its own team.</summary>
public sealed class OwnedTemplateTests(ServerFixture server)
{
    private const string Name = "owned-template";

    [Fact]
    public async Task Another_team_s_template_is_not_there_while_it_is_private_and_is_only_used_while_it_is_public()
    {
        await server.EnsureBaseAsync();
        using var owner = await TestTeam.MakeAsync(server);
        using var other = await TestTeam.MakeAsync(server);
        using var local = server.ConnectLocal();
        using (var built = await owner.Http.PostJsonAsync("v1/templates", $$"""{"name":"{{Name}}","steps":[{"run":"true"}]}"""))
            Assert.Contains("\"template\":", await built.Content.ReadAsStringAsync(ServerFixture.Soon), StringComparison.Ordinal);
        Assert.False((await owner.Http.GetAsync($"templates/{Name}").ReadAsync()).GetProperty("public").GetBoolean());

        foreach (var stranger in new[] { other.Http, server.Http })
            await IsNotThereAsync(stranger);
        Assert.Contains(Name, (await local.GetAsync("v1/templates").ReadAsync<List<TemplateBody>>()).Select(template => template.Name));

        await SendAsync(owner.Http, "PATCH", $"v2/templates/{Name}", """{"public":true}""").ReadAsync();
        Assert.True((await other.Http.GetAsync($"templates/aliases/{Name}").ReadAsync()).GetProperty("public").GetBoolean());
        foreach (var list in new[] { "templates", "v2/templates" })
            Assert.Contains((await other.Http.GetAsync(list).ReadAsync()).EnumerateArray(), template => template.GetProperty("templateID").GetString() == Name);
        var sandbox = await other.CreateAsync(Name);
        Assert.Contains("another team's", await SendAsync(other.Http, "DELETE", $"templates/{Name}").E2BRefusedAsync(403), StringComparison.Ordinal);
        await SendAsync(other.Http, "PATCH", $"v2/templates/{Name}", """{"public":false}""").E2BRefusedAsync(403);
        Assert.Equal(ErrorCodes.PermissionDenied, (await SendAsync(other.Http, "DELETE", $"v1/templates/{Name}").RefusedAsync(403)).Code);
        await SendAsync(other.Http, "DELETE", "templates/base").E2BRefusedAsync(403);

        Assert.Equal(ErrorCodes.PermissionDenied, (await SendAsync(other.Http, "PATCH", $"v1/templates/{Name}", """{"public":false}""").RefusedAsync(403)).Code);

        // by either API, and by the client
        // it has the disk of its sandboxes, and counts them, also those that are gone
        var gone = await owner.CreateAsync(Name);
        await owner.Http.DeleteAsync($"sandboxes/{gone}").DoneAsync();
        var (described, made) = (await owner.Http.GetAsync($"templates/{Name}").ReadAsync(), await owner.Http.GetAsync($"sandboxes/{(await owner.CreateAsync(Name))}").ReadAsync());
        Assert.Equal(made.GetProperty("diskSizeMB").GetInt32(), described.GetProperty("builds")[0].GetProperty("diskSizeMB").GetInt32());
        Assert.Equal(2, described.GetProperty("spawnCount").GetInt64());
        Assert.InRange(described.GetProperty("lastSpawnedAt").GetDateTimeOffset(), described.GetProperty("createdAt").GetDateTimeOffset(), DateTimeOffset.UtcNow);
        await owner.Http.DeleteAsync($"sandboxes/{made.GetProperty("sandboxID").GetString()}").DoneAsync();

        await SendAsync(owner.Http, "PATCH", $"v2/templates/{Name}", """{"public":false}""").ReadAsync();
        await IsNotThereAsync(other.Http);
        using var client = MitosClient.Remote(server.Address, owner.Key.Key!);
        Assert.True((await client.SetTemplateVisibilityAsync(Name, true)).Public);
        Assert.True((await other.Http.GetAsync($"v1/templates/{Name}").ReadAsync<TemplateBody>()).Public);
        foreach (var wrong in new[] { "{}", """{"public":null}""", """{"public":"yes"}""", "" })
            await SendAsync(owner.Http, "PATCH", $"v1/templates/{Name}", wrong).RefusedAsync(400);
        Assert.False((await server.Client.SetTemplateVisibilityAsync(Name, false)).Public); // the local user
        await IsNotThereAsync(other.Http);
        await other.Http.GetAsync($"sandboxes/{sandbox}").ReadAsync(); // what was made of it lives on
        await other.Http.DeleteAsync($"sandboxes/{sandbox}").DoneAsync();
        await owner.Http.DeleteAsync($"templates/{Name}").DoneAsync();
    }

    private static async Task IsNotThereAsync(HttpClient http)
    {
        foreach (var list in new[] { "v1/templates", "templates", "v2/templates" })
            Assert.DoesNotContain(Name, (await http.GetAsync(list).ReadAsync()).ToString(), StringComparison.Ordinal);
        foreach (var (method, path, body) in new[]
        {
            ("GET", "templates/{0}", ""), ("GET", "templates/aliases/{0}", ""), ("DELETE", "templates/{0}", ""), ("PATCH", "v2/templates/{0}", """{"public":true}"""),
            ("POST", "v2/sandboxes", """{"templateID":"{0}"}"""), ("POST", "sandboxes", """{"templateID":"{0}"}"""),
            ("GET", "v1/templates/{0}", ""), ("PATCH", "v1/templates/{0}", """{"public":true}"""), ("DELETE", "v1/templates/{0}", ""), ("POST", "v1/sandboxes", """{"template":"{0}"}"""), ("POST", "v1/templates", """{"name":"on-another","from":"{0}"}"""),
        })
        {
            // as if it were absent: nothing but its name differs from one that is, and one that is near is not told its name
            const string Absent = "no-such-template", Near = "owned-templat";
            Assert.Equal((await RefusalAsync(Absent)).Replace(Absent, "", StringComparison.Ordinal), (await RefusalAsync(Name)).Replace(Name, "", StringComparison.Ordinal));
            Assert.DoesNotContain(Name, await RefusalAsync(Near), StringComparison.Ordinal);

            async Task<string> RefusalAsync(string name)
            {
                using var response = await SendAsync(http, method, path.Replace("{0}", name, StringComparison.Ordinal), body.Replace("{0}", name, StringComparison.Ordinal));
                Assert.Equal(404, (int)response.StatusCode);
                return await response.Content.ReadAsStringAsync(ServerFixture.Soon);
            }
        }
        Assert.Equal(ErrorCodes.Conflict, (await http.PostJsonAsync("v1/templates", $$"""{"name":"{{Name}}","steps":[{"run":"true"}]}""").RefusedAsync(409)).Code);
    }

    private static async Task<HttpResponseMessage> SendAsync(HttpClient http, string method, string path, string body = "")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body.Length > 0 ? HttpRequests.Json(body) : null };
        return await http.SendAsync(request, ServerFixture.Soon);
    }
}
