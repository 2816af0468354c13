using System.Net;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class IdempotencyTests(ServerFixture server)
{
    [Fact]
    public async Task The_same_again_is_given_the_first_answer_also_at_once_and_after_a_restart()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server);
        const string Body = """{"templateID":"base","metadata":{"a":"b"}}""";
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => SendAsync(team.Http, "v2/sandboxes", Body, "first")));
        Assert.All(answers, answer => Assert.Equal((answers[0].Text, HttpStatusCode.Created), (answer.Text, answer.Status)));
        Assert.Equal(1, (await team.Http.GetAsync("v2/sandboxes").ReadAsync()).GetArrayLength());
        var id = (await team.Http.GetAsync("v2/sandboxes").ReadAsync())[0].GetProperty("sandboxID").GetString()!;
        var forked = await SendAsync(team.Http, $"sandboxes/{id}/fork", """{"count":2}""", "forked");
        Assert.Equal(forked.Text, (await SendAsync(team.Http, $"sandboxes/{id}/fork", """{"count":2}""", "forked")).Text);
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(team.Http, "v2/sandboxes", """{"templateID":"base"}""", "first")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(team.Http, "sandboxes", Body, "first")).Status);

        await server.StopAsync();
        await server.StartAsync();
        using var again = server.Connect(team.Key.Key);
        Assert.Equal(answers[0].Text, (await SendAsync(again, "v2/sandboxes", Body, "first")).Text);
        Assert.Equal(3, (await again.GetAsync("v2/sandboxes").ReadAsync()).GetArrayLength());
        using var other = await TestTeam.MakeAsync(server);
        var theirs = await SendAsync(other.Http, "v2/sandboxes", Body, "first"); // keys of another team are others
        Assert.NotEqual(answers[0].Text, theirs.Text);
        foreach (var http in new[] { again, other.Http })
        {
            foreach (var sandbox in (await http.GetAsync("v2/sandboxes").ReadAsync()).EnumerateArray())
                await http.DeleteAsync($"sandboxes/{sandbox.GetProperty("sandboxID").GetString()}").DoneAsync();
        }
    }

    [Fact]
    public async Task A_failure_is_not_remembered_and_an_answer_that_was_cut_off_is_made_again()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(team.Http, "v2/sandboxes", """{"templateID":"not-there"}""", "k")).Status);
        var made = await SendAsync(team.Http, "v1/sandboxes", """{"metadata":{"a":"b"}}""", "k");
        Assert.Equal(HttpStatusCode.Created, made.Status);
        await server.State.Database.UseAsync(async context =>
        {
            // as if the daemon had ended before it wrote the answer down
            var call = await context.Calls.FindAsync([team.Team.Id, "k"], ServerFixture.Soon);
            context.Entry(call!).CurrentValues.SetValues(call! with { Status = null, Body = null });
            return await context.SaveChangesAsync();
        });
        var id = System.Text.Json.JsonDocument.Parse(made.Text).RootElement.GetProperty("id").GetString()!;
        var rebuilt = await SendAsync(team.Http, "v1/sandboxes", """{"metadata":{"a":"b"}}""", "k");
        Assert.Equal((HttpStatusCode.Created, id), (rebuilt.Status, System.Text.Json.JsonDocument.Parse(rebuilt.Text).RootElement.GetProperty("id").GetString()));
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync(team.Http, "v1/sandboxes", "{}", "k")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(team.Http, "v1/sandboxes", "{}", new string('k', 256))).Status);
        await team.Http.DeleteAsync($"v1/sandboxes/{id}").DoneAsync();
    }

    private static async Task<(HttpStatusCode Status, string Text)> SendAsync(HttpClient http, string path, string body, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = HttpRequests.Json(body), Headers = { { "Idempotency-Key", key } } };
        using var response = await http.SendAsync(request, ServerFixture.Soon);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(ServerFixture.Soon));
    }
}
