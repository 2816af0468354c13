using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Mitos.Server.Observability;

namespace Mitos.Server.Tests.Observability;

public sealed class LogTests(ServerFixture server)
{
    [Fact]
    public async Task A_sandbox_that_ends_by_itself_is_a_line_with_its_id_as_a_field()
    {
        await using var sandbox = await server.CreateAsync();
        Process.GetProcessById(sandbox.VmmPid).Kill();
        var line = await FindAsync(server, line => line.TryGetProperty("sandbox", out var id) && id.GetString() == sandbox.Id);
        Assert.Equal(("warning", "Mitos.Engine", "its machine ended", $"sandbox {sandbox.Id} stopped: its machine ended"),
            (line.GetProperty("level").GetString(), line.GetProperty("source").GetString(), line.GetProperty("reason").GetString(), line.GetProperty("message").GetString()));
        Assert.True(line.GetProperty("at").GetDateTime() > DateTime.UnixEpoch);
    }

    [Fact]
    public async Task A_line_names_the_trace_that_it_belongs_to_its_error_and_each_value_once()
    {
        using var activity = new Activity("test").SetIdFormat(ActivityIdFormat.W3C).Start();
        var logger = server.App.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Mitos.Test");
        logger.LogError(new InvalidOperationException("broken"), "child {Index} of fork {Fork} failed\nfor {Message} and {Fork}", 3, "f1", "a", "f2");
        var line = await FindAsync(server, line => line.GetProperty("source").GetString() == "Mitos.Test");
        Assert.Equal((activity.TraceId.ToHexString(), activity.SpanId.ToHexString()), (line.GetProperty("trace").GetString(), line.GetProperty("span").GetString()));
        Assert.Equal((3, "f1", "child 3 of fork f1 failed\nfor a and f2"), (line.GetProperty("index").GetInt32(), line.GetProperty("fork").GetString(), line.GetProperty("message").GetString()));
        Assert.Contains("broken", line.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(9, line.EnumerateObject().Count());
        Assert.All(server.Logs, text => Assert.Equal(text.Length - 1, text.IndexOf('\n', StringComparison.Ordinal)));
    }

    [Fact]
    public void The_format_is_an_option_of_the_daemon()
    {
        Assert.Equal(LogFormat.Text, ServerOptions.Parse([]).Log);
        Assert.Equal(LogFormat.Json, ServerOptions.Parse(["--log-format", "json"]).Log);
        Assert.Contains("text or json", Assert.Throws<ArgumentException>(() => ServerOptions.Parse(["--log-format", "xml"])).Message, StringComparison.Ordinal);
    }

    /// <summary>Waits for a line.</summary>
    internal static async Task<JsonElement> FindAsync(ServerFixture server, Func<JsonElement, bool> wanted)
    {
        for (var until = DateTime.UtcNow + ServerFixture.Limit; DateTime.UtcNow < until; await Task.Delay(50))
        {
            foreach (var line in server.Logs)
            {
                var parsed = JsonDocument.Parse(line).RootElement;
                if (wanted(parsed))
                    return parsed;
            }
        }
        throw new TimeoutException("no such line was logged");
    }
}
