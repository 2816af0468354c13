using System.Text.Json;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;
using Mitos.Server.Tests.Envd;

namespace Mitos.Server.Tests.Observability;

public sealed class SecretTests(ServerFixture server)
{
    [Fact]
    public async Task No_key_token_content_or_environment_stands_in_logs_metrics_or_spans()
    {
        using var spans = new SpanCapture();
        await server.EnsureBaseAsync();
        var key = await server.Http.PostJsonAsync("v1/keys", """{"name":"seen"}""").ReadAsync<KeyBody>();
        using var user = server.Connect(key.Key);
        var sandbox = await user.PostJsonAsync("v1/sandboxes", """{"env":{"SECRET":"value-of-environment"}}""").ReadAsync<SandboxBody>();
        var fork = await server.Client.ForkAsync(sandbox.Id, new ForkRequest { Env = new Dictionary<string, string> { ["MORE"] = "value-of-fork" } });
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "echo content-of-output" });
        using (var guest = EnvdClient.Of(server, sandbox.Id))
        {
            using var signed = await guest.Http.GetAsync("files?path=/etc/hostname&signature=signature-of-url");
            guest.Http.DefaultRequestHeaders.Remove("X-Access-Token");
            using var unsigned = await guest.Http.GetAsync("files?path=/etc/hostname&signature=signature-of-url");
            Assert.Equal(401, (int)unsigned.StatusCode);
        }
        Kill(sandbox.VmmPid!.Value);
        await LogTests.FindAsync(server, line => line.TryGetProperty("sandbox", out var id) && id.GetString() == sandbox.Id);
        var metrics = await server.Http.GetStringAsync("metrics");
        var told = string.Concat(server.Logs) + metrics + spans;
        Assert.Contains(sandbox.Id, told, StringComparison.Ordinal);
        string[] secrets = [key.Key!, server.Key, sandbox.AccessToken!, fork.Children[0].Sandbox!.AccessToken!, "value-of-environment", "value-of-fork", "content-of", "signature-of-url"];
        Assert.All(secrets, secret => Assert.DoesNotContain(secret, told, StringComparison.Ordinal));
        Assert.DoesNotContain(sandbox.Id, metrics, StringComparison.Ordinal); // labels have few values
        await server.Client.RemoveAsync(fork.Children[0].Sandbox!.Id);
        await server.Client.RemoveAsync(sandbox.Id);
        await server.Client.DeleteKeyAsync(key.Id);

        static void Kill(int pid) => System.Diagnostics.Process.GetProcessById(pid).Kill();
    }
}
