using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Contracts;
using Mitos.Server.E2B.Envd.Wire;
using Mitos.Server.Requests;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;
using Mitos.Server.Tests.Envd;
using Mitos.Server.Tests.Storage;

namespace Mitos.Server.Tests.Host;

/// <summary>What is done inside sandboxes is written down: who, what, where, how it ended.</summary>
public sealed class DataAuditTests(ServerFixture server)
{
    [Fact]
    public async Task Commands_files_and_ports_are_lines_by_whichever_API_and_contents_are_in_none()
    {
        await server.EnsureBaseAsync();
        using var team = await TestTeam.MakeAsync(server);
        var id = await team.CreateAsync();
        using var envd = EnvdClient.Of(server, id);
        var files = $"v1/sandboxes/{id}/files?path=/tmp/hushed-path";
        await team.Http.PostJsonAsync($"v1/sandboxes/{id}/exec", """{"cmd":"echo hushed-argument","env":{"HUSHED":"hushed-value"}}""").ReadAsync();
        await team.Http.PutAsync(files, new ByteArrayContent("hushed-content"u8.ToArray())).ReadAsync();
        using (await team.Http.GetAsync(files, ServerFixture.Soon))
        {
        }
        await team.Http.GetAsync($"v1/sandboxes/{id}/files/stat?path=/hushed-nowhere").RefusedAsync(404);
        using (var session = await server.Client.OpenExecAsync(id, new ExecRequest { Argv = ["echo", "hushed-argument"] }))
            await foreach (var _ in session.ReadAsync())
            {
            }
        using (var started = await envd.OpenAsync("process.Process/Start", new StartRequest { Process = new() { Cmd = "echo", Args = { "hushed-argument" } } }))
            await started.ReadToEndAsync();
        using (var refused = await envd.OpenAsync("process.Process/Start", new StartRequest { Process = new() { Cmd = "/hushed-command" } }))
            await Assert.ThrowsAsync<EnvdError>(refused.ReadAsync<StartResponse>);
        await Assert.ThrowsAsync<EnvdError>(() => envd.CallAsync<StatResponse>("filesystem.Filesystem/Stat", new StatRequest { Path = "/hushed-nowhere" }));
        (await envd.Http.GetAsync("files?path=/tmp/hushed-path")).Dispose();
        (await envd.Http.GetAsync("hushed-address")).Dispose();
        envd.Http.DefaultRequestHeaders.Remove("X-Access-Token");
        (await envd.Http.GetAsync("files?path=/hushed-path&signature=v1_hushed")).Dispose();
        envd.Http.DefaultRequestHeaders.Remove("E2b-Sandbox-Port");
        envd.Http.DefaultRequestHeaders.Add("E2b-Sandbox-Port", "3999");
        (await envd.Http.GetAsync("hushed-address?hushed=query")).Dispose();

        (string Method, string Route, int Status, string? Code, string? Proof, string? Key)[] expected =
        [
            ("POST", "/v1/sandboxes/{id}/exec", 200, null, null, team.Key.Id), ("PUT", "/v1/sandboxes/{id}/files/", 200, null, null, team.Key.Id), ("GET", "/v1/sandboxes/{id}/files/", 200, null, null, team.Key.Id),
            ("GET", "/v1/sandboxes/{id}/files/stat", 404, "not_found", null, team.Key.Id), ("GET", "/v1/sandboxes/{id}/exec/stream", 101, null, null, null),
            ("POST", "/process.Process/Start", 200, null, "accessToken", null), ("POST", "/process.Process/Start", 200, "invalid_argument", "accessToken", null),
            ("POST", "/filesystem.Filesystem/Stat", 404, "not_found", "accessToken", null), ("GET", "/files", 200, null, "accessToken", null), ("GET", "nothing", 404, "not_found", "accessToken", null),
            ("GET", "/files", 401, "unauthenticated", null, null), ("GET", "port 3999", 502, "failed_precondition", null, null),
        ];
        var path = Path.Combine(server.Options.StateDirectory, DataAudit.File);
        List<JsonElement> lines;
        var soon = ServerFixture.Soon;
        while ((lines = [.. File.Exists(path) ? File.ReadLines(path).Select(line => JsonDocument.Parse(line).RootElement).Where(line => Text(line, "subject") == id) : []]).Count < expected.Length)
            await Task.Delay(50, soon);
        Assert.Equal(expected.Order(), lines.Select(line => (Text(line, "method")!, Text(line, "route")!, line.GetProperty("status").GetInt32(), Text(line, "code"), Text(line, "proof"), Text(line, "key"))).Order());
        Assert.All(lines.Where(line => Text(line, "route") != "/v1/sandboxes/{id}/exec/stream"), line => Assert.Equal((team.Team.Id, "127.0.0.1", 1), (Text(line, "team"), Text(line, "address"), line.GetProperty("times").GetInt64())));
        Assert.DoesNotContain("hushed", await File.ReadAllTextAsync(path), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain($"/v1/sandboxes/{{id}}/exec", await File.ReadAllTextAsync(Path.Combine(server.Options.StateDirectory, AuditLog.File)), StringComparison.Ordinal);
        await team.Http.DeleteAsync($"sandboxes/{id}").DoneAsync();

        static string? Text(JsonElement line, string property) => line.TryGetProperty(property, out var value) ? value.GetString() : null;
    }

    [Fact]
    public void Requests_that_differ_in_their_time_only_are_one_line_that_counts_them()
    {
        var directory = Directory.CreateTempSubdirectory("mitos-audit-").FullName;
        try
        {
            var time = new SetTime(DateTimeOffset.UnixEpoch);
            using (var audit = new DataAudit(directory, NullLogger<AuditLog>.Instance, time))
            {
                for (var i = 0; i < 1000; i++)
                {
                    audit.Note(new DataAccess("team", null, null, "127.0.0.1", "GET", "port 3000", $"sandbox-{i % 2}", 200, null));
                    time.Now += TimeSpan.FromMilliseconds(1);
                }
            }
            var lines = File.ReadAllLines(Path.Combine(directory, DataAudit.File)).Select(line => JsonDocument.Parse(line).RootElement).ToList();
            Assert.Equal([("sandbox-0", 500, DateTimeOffset.UnixEpoch), ("sandbox-1", 500, DateTimeOffset.UnixEpoch.AddMilliseconds(1))],
                lines.Select(line => (line.GetProperty("subject").GetString(), line.GetProperty("times").GetInt32(), line.GetProperty("at").GetDateTimeOffset())));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
