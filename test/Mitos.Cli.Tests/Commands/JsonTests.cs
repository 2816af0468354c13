using System.Text.Json;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>--json of every command: one JSON value on standard output, failures as JSON on standard error.</summary>
public sealed class JsonTests(MitosFixture fixture) : IAsyncLifetime
{
    // Commands of the root's help that print what another program says, or are groups.
    private static readonly string[] NotOwn = ["bench"];
    private readonly Installation _mitos = fixture.Mitos;
    private readonly HashSet<string> _seen = [];

    public async ValueTask InitializeAsync() => await _mitos.CreateAsync("--name", "dev", "--env", "A=1");

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task Every_command_can_be_read_by_a_program()
    {
        Assert.Equal("ok", (await JsonAsync("up", "--json")).Text("status"));
        Assert.Equal(1, (await JsonAsync("status", "--json")).GetProperty("sandboxes").GetInt32());
        var created = await JsonAsync("create", "--json", "--name", "other");
        Assert.Equal(48, created.Text("accessToken").Length);
        Assert.Equal(["dev", "other"], (await JsonAsync("ls", "--json")).EnumerateArray().Select(sandbox => sandbox.Text("name")));
        Assert.Equal("1", (await JsonAsync("inspect", "dev", "--json")).GetProperty("env").Text("A"));
        var fork = await JsonAsync("fork", "dev", "--json");
        Assert.True(fork.GetProperty("timings").GetProperty("pauseUs").GetInt64() > 0);
        var tree = (await JsonAsync("tree", "--json")).EnumerateArray().ToList();
        Assert.Equal([0, 1, 0], tree.Select(node => node.GetProperty("depth").GetInt32()));
        Assert.True(tree[0].GetProperty("sandbox").GetProperty("memory").GetProperty("privateBytes").GetInt64() > 0);
        Assert.Equal(3, (await JsonAsync("top", "--once", "--json")).GetArrayLength());
        Assert.Equal("golden", (await JsonAsync("snapshot", "create", "dev", "--name", "golden", "--json")).Text("name"));
        Assert.Equal("paused", (await JsonAsync("pause", "other", "--json")).EnumerateArray().Single().GetProperty("sandbox").Text("state"));
        Assert.Equal("running", (await JsonAsync("resume", "other", "--json")).EnumerateArray().Single().GetProperty("sandbox").Text("state"));
        Assert.Equal("golden", (await JsonAsync("snapshot", "ls", "--json")).EnumerateArray().Single().Text("name"));
        Assert.True((await JsonAsync("snapshot", "rm", "golden", "--json")).EnumerateArray().Single().GetProperty("removed").GetBoolean());
        Assert.Contains("default", (await JsonAsync("keys", "ls", "--json")).EnumerateArray().Select(key => key.Text("name")));
        Assert.StartsWith("e2b_", (await JsonAsync("env", "--json")).Text("E2B_API_KEY"), StringComparison.Ordinal);
        Assert.Equal("dev", (await JsonAsync("logs", "dev", "--json")).Text("id"));
        Assert.True((await JsonAsync("cp", "/etc/hostname", "dev:/tmp/h", "--json")).GetProperty("bytes").GetInt64() > 0);
        Assert.Equal("base", (await JsonAsync("template", "ls", "--json")).EnumerateArray().Single().Text("name"));
        Assert.Equal("base", (await JsonAsync("template", "build", "base", "--json")).Text("name"));
        Assert.Contains("complete", (await JsonAsync("completion", "bash", "--json")).Text("script"), StringComparison.Ordinal);
        Assert.NotEqual(0, (await JsonAsync("doctor", "--json")).GetProperty("checks").GetArrayLength());
        Assert.True((await JsonAsync("rm", "other", "--json")).EnumerateArray().Single().GetProperty("removed").GetBoolean());
        Assert.Equal(2, (await JsonAsync("down", "--json")).GetProperty("sandboxes").GetInt32());
        Assert.False((await JsonAsync("down", "--json")).GetProperty("wasRunning").GetBoolean());
        await _mitos.UpAsync();
        var help = (await _mitos.RunAsync("help")).Ok();
        var commands = help[help.IndexOf("Commands:", StringComparison.Ordinal)..help.IndexOf("Exit codes:", StringComparison.Ordinal)].Split('\n')
            .Where(line => line.StartsWith("  ", StringComparison.Ordinal) && line[2] != ' ').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[0]);
        Assert.Equal(["demo", "exec", "vmm"], commands.Except(_seen).Except(NotOwn).Order()); // exec is below, the others have tests of their own
    }

    [Fact]
    public async Task A_command_in_a_sandbox_gives_its_outputs_as_JSON_and_its_own_exit_code()
    {
        var result = await _mitos.RunAsync("input"u8.ToArray(), "exec", "--json", "dev", "--", "sh", "-c", "cat; printf '\\377' >&2; exit 3");
        Assert.Equal(3, result.Code);
        var json = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal((3, "input", "/w=="), (json.GetProperty("exitCode").GetInt32(), json.Text("stdout"), json.Text("stderrBase64")));
    }

    [Fact]
    public async Task Failures_are_JSON_too_and_have_the_same_exit_codes()
    {
        foreach (var (code, kind, line) in new[]
        {
            (3, "not_found", "inspect nobody --json"), (2, "invalid_argument", "fork dev --count 0 --json"), (4, "conflict", "create --name dev --json"), (2, "invalid_argument", "exce --json"),
            (3, "not_found", "cp dev:/missing /tmp --json"), (125, "not_found", "exec nobody --json -- true"),
        })
        {
            var result = await _mitos.RunAsync(line.Split(' '));
            Assert.Equal(code, result.Code);
            var error = JsonDocument.Parse(result.Errors).RootElement;
            Assert.Equal(kind, error.Text("code"));
            Assert.NotEqual("", error.Text("message"));
            Assert.NotEqual("", error.Text("remedy"));
            Assert.Equal("", result.Output);
        }
        var removal = await _mitos.RunAsync("template", "rm", "base", "--json");
        Assert.Equal(4, removal.Code);
        Assert.Equal("failed_precondition", JsonDocument.Parse(removal.Output).RootElement[0].GetProperty("error").Text("code"));
    }

    private async Task<JsonElement> JsonAsync(params string[] arguments)
    {
        _seen.Add(arguments[0]);
        return (await _mitos.RunAsync(arguments)).Json();
    }
}
