using System.Text;
using System.Text.Json;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

public sealed class TemplateTests(ServerFixture server)
{
    [Fact]
    public async Task A_template_is_built_line_by_line_used_and_removed()
    {
        await server.EnsureBaseAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/templates")
        {
            Content = HttpRequests.Json("""{"name":"tests","steps":[{"run":"echo from-the-step; echo content > /opt/file"}],"env":{"T":"1"}}"""),
        };
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ServerFixture.Soon);
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType!.MediaType);
        var lines = (await response.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var schema = server.Api["buildTemplate"].Json.GetProperty("responses").GetProperty("200").GetProperty("content").GetProperty("application/x-ndjson").GetProperty("schema");
        Assert.All(lines, line => Assert.Empty(server.Api.Schemas.Check(JsonDocument.Parse(line).RootElement, schema, "$")));
        var events = lines.Select(line => JsonSerializer.Deserialize(line, ContractsJson.Default.BuildEvent)!).ToList();
        Assert.Contains(events, next => next is { Step: "run", Output: true, Message: "from-the-step" });
        Assert.Equal("tests", events[^1].Template!.Name);
        Assert.All(events.SkipLast(1), next => Assert.True(next is { Step: not null, Template: null, Error: null }));

        var listed = await server.Http.GetAsync("v1/templates").ReadAsync<List<TemplateBody>>();
        Assert.Equal(["base", "tests"], listed.Select(template => template.Name));
        Assert.True(listed[1] is { From: "base", CpuCount: 1, MemoryMiB: 512, MemoryBytes: > 0, DiskBytes: > 0 });
        await server.Http.GetAsync("v1/templates/tests").ReadAsync<TemplateBody>();
        var sandbox = await server.Client.CreateAsync(new CreateSandboxRequest { Template = "tests" });
        Assert.Equal("content 1\n", (await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo $(cat /opt/file) $T" })).Stdout);
        Assert.Equal(1, (await server.Client.GetTemplateAsync("tests")).Sandboxes);

        var used = await server.Http.DeleteAsync("v1/templates/tests").RefusedAsync(412);
        Assert.Contains("Remove them first", used.Remedy, StringComparison.Ordinal);
        var shape = await server.Http.PostJsonAsync("v1/sandboxes", """{"template":"tests","memoryMiB":1024}""").RefusedAsync(501);
        Assert.Equal(ErrorCodes.Unsupported, shape.Code);
        await server.Client.RemoveAsync(sandbox.Id);
        await server.Http.DeleteAsync("v1/templates/tests").DoneAsync();
        await server.Http.DeleteAsync("v1/templates/tests").RefusedAsync(404);
    }

    [Fact]
    public async Task A_step_that_fails_ends_the_lines_with_its_error_and_leaves_no_template()
    {
        await server.EnsureBaseAsync();
        var seen = new List<BuildEvent>();
        var error = await Assert.ThrowsAsync<MitosException>(async () =>
        {
            await foreach (var next in server.Client.BuildTemplateAsync(new BuildTemplateRequest { Name = "failing", Steps = [new() { Run = "echo because; exit 4" }] }, ServerFixture.Soon))
                seen.Add(next);
        });
        Assert.NotEmpty(seen);
        Assert.Equal(ErrorCodes.CommandFailed, error.Code);
        Assert.Contains("because", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(await server.Client.ListTemplatesAsync(), template => template.Name == "failing");
    }

    [Fact]
    public async Task A_client_that_goes_away_ends_its_build()
    {
        await server.EnsureBaseAsync();
        using var leaving = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var next in server.Client.BuildTemplateAsync(new BuildTemplateRequest { Name = "left", Steps = [new() { Run = "echo here; sleep 86409" }] }, leaving.Token))
            {
                if (next.Output)
                    await leaving.CancelAsync();
            }
        });
        // builds are served in turn: the next one can only come after the end of that
        await foreach (var _ in server.Client.BuildTemplateAsync(new BuildTemplateRequest { Name = "base" }, ServerFixture.Soon))
        {
        }
        Assert.DoesNotContain(await server.Client.ListTemplatesAsync(), template => template.Name == "left");
    }

    [Theory]
    [InlineData("{}", 400, "name")]
    [InlineData("""{"name":"../x"}""", 400, "letters")]
    [InlineData("""{"name":"LONG"}""", 400, "letters")]
    [InlineData("""{"name":"x","from":"nobody"}""", 404, "template")]
    [InlineData("""{"name":"x","cpuCount":0}""", 400, "1 to 32")]
    [InlineData("""{"name":"x","memoryMiB":-1}""", 400, "128")]
    [InlineData("""{"name":"x","steps":[{}]}""", 400, "run")]
    [InlineData("""{"name":"x","steps":[null]}""", 400, "run")]
    [InlineData("""{"name":"x","steps":[{"run":"true","copyTarBase64":""}]}""", 400, "run")]
    [InlineData("""{"name":"x","steps":[{"copyTarBase64":"","copyTo":"relative"}]}""", 400, "run")]
    [InlineData("""{"name":"x","steps":[{"copyTarBase64":"%"}]}""", 400, "base64")]
    [InlineData("""{"name":"x","env":{"A":null}}""", 400, "a text")]
    [InlineData("""{"name":"base","steps":[{"run":"true"}]}""", 400, "--from")]
    public async Task What_cannot_be_built_is_refused_by_a_status(string body, int status, string remedy)
    {
        await server.EnsureBaseAsync();
        var error = await server.Http.PostAsync("v1/templates", new StringContent(body.Replace("LONG", new string('x', 5000), StringComparison.Ordinal), Encoding.UTF8, "application/json")).RefusedAsync(status);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_template_is_not_found_and_the_nearest_is_named()
    {
        await server.EnsureBaseAsync();
        Assert.Contains("'base'", (await server.Http.GetAsync("v1/templates/bsae").RefusedAsync(404)).Remedy, StringComparison.Ordinal);
    }
}
