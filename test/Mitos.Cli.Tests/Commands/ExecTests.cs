using System.Security.Cryptography;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>exec: a command in a sandbox as if it ran here.</summary>
public sealed class ExecTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;

    public async ValueTask InitializeAsync() => await _mitos.CreateAsync("--name", "dev", "--env", "FROM=sandbox");

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task Both_outputs_and_the_exit_code_are_the_commands()
    {
        var result = await _mitos.RunAsync("exec", "dev", "--", "sh", "-c", "echo out; echo err >&2; exit 7");
        Assert.Equal((7, "out\n", "err\n"), (result.Code, result.Output, result.Errors));
        Assert.Equal(137, (await _mitos.RunAsync("exec", "dev", "--", "sh", "-c", "kill -9 $$")).Code);
        (await _mitos.RunAsync("exec", "dev", "--", "no-such-program")).Refused(127, "no-such-program");
        (await _mitos.RunAsync("exec", "dev", "--", "/etc/hostname")).Refused(126, "/etc/hostname");
        (await _mitos.RunAsync("exec", "-w", "/nowhere", "dev", "--", "true")).Refused(125, "/nowhere");
        (await _mitos.RunAsync("exec", "-u", "nobody-here", "dev", "--", "true")).Refused(125, "nobody-here");
        (await _mitos.RunAsync("exec", "-e", "nonsense", "dev", "--", "true")).Refused(125, "nonsense", "NAME=VALUE");
    }

    [Fact]
    public async Task Arguments_environment_user_and_directory_arrive_as_they_are()
    {
        Assert.Equal("a b|*|$HOME|--json|", (await _mitos.RunAsync("exec", "dev", "--", "printf", "%s|", "a b", "*", "$HOME", "--json")).Ok());
        Assert.Equal("sandbox call user /home/user", (await _mitos.RunAsync("exec", "-e", "MORE=call", "dev", "--", "sh", "-c", "echo $FROM $MORE $(id -un) $(pwd)")).Ok());
        Assert.Equal("root /tmp", (await _mitos.RunAsync("exec", "-u", "root", "-w", "/tmp", "dev", "--", "sh", "-c", "echo $(id -un) $(pwd)")).Ok());
    }

    [Fact]
    public async Task Bytes_pass_unchanged_in_and_out()
    {
        var bytes = RandomNumberGenerator.GetBytes(1 << 20);
        Assert.Equal(bytes, (await _mitos.RunAsync(bytes, "exec", "dev", "--", "cat")).Bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), (await _mitos.RunAsync(bytes, "exec", "dev", "--", "sha256sum")).Ok().Split(' ')[0]);
        Assert.Equal("", (await _mitos.RunAsync([], "exec", "dev", "--", "cat")).Ok());
    }

    [Fact]
    public async Task Two_outputs_into_one_file_overwrite_nothing()
    {
        var file = Path.GetTempFileName();
        (await _mitos.ShellAsync($"echo before > {file}; mitos exec dev -- sh -c 'for i in 1 2 3; do echo out; echo err >&2; done' >> {file} 2>&1 </dev/null")).Ok();
        Assert.Equal(["before", "err", "err", "err", "out", "out", "out"], File.ReadLines(file).Order());
        File.Delete(file);
    }

    [Fact]
    public async Task A_reader_that_goes_ends_the_command_and_a_full_disk_is_an_error()
    {
        var result = await _mitos.ShellAsync("mitos exec dev -- yes </dev/null | head -1; echo ${PIPESTATUS[0]}");
        Assert.Equal(["y", "141"], result.Lines);
        Assert.Equal("", result.Errors);
        (await _mitos.ShellAsync("mitos exec dev -- yes </dev/null > /dev/full")).Refused(125, "Standard output");
        await AwaitGoneAsync("yes");
    }

    // Not bash, which loses an interrupt that comes while it waits for a command. Nor by pause(), which waits for the next signal if one comes just before it.
    private const string Heeds = """
        import signal, time
        signal.signal(signal.SIGINT, lambda *_: print('interrupted'))
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT):
            signal.signal(number, lambda number, _: print(signal.Signals(number).name))
        print('ready')
        while True: time.sleep(0.05)
        """;

    [Fact]
    public async Task Signals_are_the_commands_to_heed()
    {
        await using var exec = _mitos.Start("exec", "dev", "--", "python3", "-uc", Heeds);
        Assert.Equal("ready", await exec.ReadLineAsync());
        for (var i = 0; i < 3; i++)
        {
            exec.Signal(Running.Interrupt);
            Assert.Equal("interrupted", await exec.ReadLineAsync());
        }
        foreach (var (number, name) in ((int, string)[])[(Running.User1, "SIGUSR1"), (Running.User2, "SIGUSR2"), (Running.Continue, "SIGCONT")])
        {
            exec.Signal(number);
            Assert.Equal(name, await exec.ReadLineAsync());
        }
        exec.Signal(Running.Terminate);
        Assert.Equal(143, (await exec.EndAsync()).Code);
        await AwaitGoneAsync("python3");
    }

    [Fact]
    public async Task A_command_whose_caller_is_killed_is_hung_up_on()
    {
        await using (var exec = _mitos.Start("exec", "dev", "--", "bash", "-c", "trap 'echo heard > /tmp/hup; exit' HUP; echo ready; while :; do sleep 0.2; done"))
        {
            Assert.Equal("ready", await exec.ReadLineAsync());
            exec.Signal(Running.Kill);
        }
        await AwaitGoneAsync("sleep");
        Assert.Equal("heard", await _mitos.InAsync("dev", "cat /tmp/hup"));
    }

    [Fact]
    public async Task Output_without_end_that_nobody_reads_costs_neither_memory_nor_the_sandbox()
    {
        var daemon = await _mitos.DaemonPidAsync();
        await using (var exec = _mitos.Start("exec", "dev", "--", "yes", "no end"))
        {
            Assert.Equal("no end", await exec.ReadLineAsync());
            var before = ResidentMiB(daemon);
            for (var i = 0; i < 8; i++)
            {
                Assert.Equal("well", await _mitos.InAsync("dev", "sleep 0.5; echo well"));
            }
            Assert.InRange(ResidentMiB(daemon) - before, -1000, 48);
            Assert.InRange(ResidentMiB(exec.Process.Id), 0, 100);
        }
        await AwaitGoneAsync("yes");
    }

    [Fact]
    public async Task Input_that_nobody_reads_does_not_keep_a_command_from_ending() =>
        Assert.Equal("done", (await _mitos.ShellAsync("yes | mitos exec dev -- echo done")).Ok());

    private static long ResidentMiB(int pid) => long.Parse(File.ReadAllText($"/proc/{pid}/statm").Split(' ')[1]) * 4096 >> 20;

    /// <summary>Hanging up takes the grace that the command has.</summary>
    private Task<string> AwaitGoneAsync(string name) => _mitos.InAsync("dev", $"for i in $(seq 200); do pgrep -x {name} >/dev/null || exit 0; sleep 0.1; done; exit 1");
}
