using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Contracts;
using Mitos.Server.Requests;
using Mitos.Server.Tests.Accounts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Host;

public sealed class AuditTests(ServerFixture server)
{
    [Fact]
    public async Task Who_changed_what_is_a_line_and_contents_and_secrets_are_in_none()
    {
        var created = await server.Http.PostJsonAsync("v1/keys", """{"name":"audited-name"}""").ReadAsync<KeyBody>();
        await server.Http.GetAsync("v1/keys").ReadAsync();
        await server.Http.DeleteAsync($"v1/keys/{created.Id}").DoneAsync();
        using var stranger = server.Connect("mitos_guess");
        await stranger.PostJsonAsync("v1/sandboxes?secret=query", """{"name":"content"}""").RefusedAsync(401);
        var text = await File.ReadAllTextAsync(Path.Combine(server.Options.StateDirectory, "audit.jsonl"), ServerFixture.Soon);
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^3..].Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal([("POST", "/v1/keys/", 201), ("DELETE", "/v1/keys/{id}", 204), ("POST", "/v1/sandboxes/", 401)],
            lines.Select(line => (line.GetProperty("method").GetString()!, line.GetProperty("route").GetString()!, line.GetProperty("status").GetInt32())));
        Assert.Equal((created.Id, Server.Accounts.Team.DefaultId, "127.0.0.1"), (lines[1].GetProperty("subject").GetString(), lines[1].GetProperty("team").GetString(), lines[1].GetProperty("address").GetString()));
        Assert.Equal(server.State.Keys.Find(server.Key)!.Id, lines[1].GetProperty("key").GetString());
        Assert.False(lines[2].TryGetProperty("team", out _));
        foreach (var secret in new[] { created.Key!, server.Key, "audited-name", "content", "query", "mitos_guess" })
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_with_a_key_that_expired_is_a_line_that_names_the_key()
    {
        var expired = await ExpiredKey.MakeAsync(server);
        using var late = server.Connect(expired.Key);
        await late.PostJsonAsync("v1/sandboxes", "{}").RefusedAsync(401);
        var line = JsonDocument.Parse((await File.ReadAllLinesAsync(Path.Combine(server.Options.StateDirectory, "audit.jsonl"), ServerFixture.Soon))[^1]).RootElement;
        Assert.Equal(("/v1/sandboxes/", 401, expired.Id, Server.Accounts.Team.DefaultId),
            (line.GetProperty("route").GetString(), line.GetProperty("status").GetInt32(), line.GetProperty("key").GetString(), line.GetProperty("team").GetString()));
        await server.Http.DeleteAsync($"v1/keys/{expired.Id}").DoneAsync();
    }

    [Fact]
    public void The_log_is_turned_over_when_it_is_full_and_five_files_are_kept()
    {
        var directory = Directory.CreateTempSubdirectory("mitos-audit-").FullName;
        try
        {
            using (var log = new AuditLog(directory, NullLogger<AuditLog>.Instance, maxBytes: 1000))
            {
                for (var i = 0; i < 100; i++)
                    log.Write(new AuditEntry(DateTimeOffset.UnixEpoch, "team", "key", null, "POST", "/v1/sandboxes/", $"{i}", null, 201));
            }
            var files = Directory.GetFiles(directory).Order().ToList();
            Assert.Equal(["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.3", "audit.jsonl.4"], files.Select(Path.GetFileName));
            Assert.All(files, file => Assert.InRange(new FileInfo(file).Length, 1, 1000));
            Assert.All(files, file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
            var subjects = files.OrderDescending().SelectMany(file => File.ReadAllLines(file)).Select(line => int.Parse(JsonDocument.Parse(line).RootElement.GetProperty("subject").GetString()!)).ToList();
            Assert.Equal(Enumerable.Range(100 - subjects.Count, subjects.Count), subjects); // no line is lost or torn
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
