using System.Text.RegularExpressions;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>What a person at a terminal has: a real terminal in the sandbox, colours, progress.</summary>
public sealed partial class TerminalTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;

    public async ValueTask InitializeAsync() => await _mitos.CreateAsync("--name", "dev");

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task A_shell_in_a_sandbox_has_a_real_terminal_with_its_size_keys_and_exit_code()
    {
        await using var terminal = new Terminal(_mitos, 33, 101, "bash", "-c", "stty -g >&2; mitos exec -it dev -- bash --norc; status=$?; stty -g >&2; exit $status");
        await terminal.AwaitAsync("$ ");
        var before = StateOfTerminal().Match(terminal.Seen).Value;
        terminal.Type("tty; stty size; echo kind=$TERM\n");
        await terminal.AwaitAsync("/dev/pts/");
        await terminal.AwaitAsync("33 101");
        await terminal.AwaitAsync("kind=xterm");
        terminal.Type("trap 'echo now $(stty size)' WINCH; echo set$((1+1))\n");
        await terminal.AwaitAsync("set2");
        terminal.Resize(44, 55);
        terminal.Type("until [ \"$(stty size)\" = '44 55' ]; do sleep 0.1; done\n"); // bash runs a trap behind a command
        await terminal.AwaitAsync("now 44 55");
        terminal.Type("sleep 1000\n");
        await Task.Delay(500);
        terminal.Type("\u0003"); // Ctrl-C
        terminal.Type("echo after$((2+2))\n");
        await terminal.AwaitAsync("after4");
        terminal.Type("exit 9\n");
        Assert.Equal(9, await terminal.EndAsync());
        Assert.Equal(2, terminal.Seen.Split(before).Length - 1); // stty -g: the terminal here is as it was
    }

    [Fact]
    public async Task A_terminal_is_refused_where_there_is_none() =>
        (await _mitos.RunAsync("exec", "-it", "dev", "--", "true")).Refused(125, "terminal");

    [Fact]
    public async Task What_takes_long_shows_how_far_it_is_and_leaves_nothing_when_it_is_interrupted()
    {
        var file = Path.Combine(Path.GetTempPath(), $"mitos-e2e-{Environment.ProcessId}");
        using (var large = File.Create(file))
            large.SetLength(2L << 30);
        await using (var terminal = new Terminal(_mitos, 24, 80, "mitos", "cp", file, "dev:/tmp/target/large"))
        {
            await terminal.AwaitAsync(" of 2048 MiB");
            terminal.Type("\u0003");
            Assert.Equal(130, await terminal.EndAsync());
        }
        File.Delete(file);
        await _mitos.InAsync("dev", "for i in $(seq 100); do [ -z \"$(find /tmp/target -type f)\" ] && exit; sleep 0.1; done; find /tmp/target -type f; exit 1");
    }

    [Fact]
    public async Task A_person_sees_colours_and_a_pipe_does_not()
    {
        await using var terminal = new Terminal(_mitos, 24, 80, "mitos", "ls");
        Assert.Equal(0, await terminal.EndAsync());
        await terminal.AwaitAsync("\u001b[1m");
        Assert.DoesNotContain("\u001b", (await _mitos.RunAsync("ls")).Ok(), StringComparison.Ordinal);
        _mitos.Environment["NO_COLOR"] = "1";
        await using var plain = new Terminal(_mitos, 24, 80, "mitos", "inspect", "nobody");
        Assert.Equal(3, await plain.EndAsync());
        await plain.AwaitAsync("nobody");
        Assert.DoesNotContain("\u001b[3", plain.Seen, StringComparison.Ordinal);
        _mitos.Environment["NO_COLOR"] = null;
    }

    [Fact]
    public async Task Top_draws_again_and_again_until_it_is_interrupted()
    {
        await using var terminal = new Terminal(_mitos, 24, 120, "mitos", "top", "--interval", "0.3");
        await terminal.AwaitAsync("CPU %");
        var until = DateTime.UtcNow + Running.Limit;
        while (terminal.Seen.Split("CPU %").Length < 4 && DateTime.UtcNow < until)
            await Task.Delay(50);
        terminal.Type("\u0003");
        Assert.Equal(130, await terminal.EndAsync());
        Assert.True(terminal.Seen.Split("CPU %").Length >= 4);
    }

    // What stty -g prints: 1500:5:bf:8a3b:…
    [GeneratedRegex(@"[0-9a-f]+:[0-9a-f]+:[0-9a-f]+:[0-9a-f]+:[0-9a-f:]+")]
    private static partial Regex StateOfTerminal();
}
