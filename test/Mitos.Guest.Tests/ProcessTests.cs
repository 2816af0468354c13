using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class ProcessTests : IAsyncLifetime
{
    private readonly AgentHost _agent = new();

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _agent.DisposeAsync();

    [Fact]
    public async Task Output_errors_and_exit_codes_come_through()
    {
        Assert.Equal((7, "out\n", "err\n"), await _agent.ShellAsync("echo out; echo err >&2; exit 7"));
        Assert.Equal(128 + 9, (await _agent.ShellAsync("kill -9 $$")).Code);
    }

    [Fact]
    public async Task Environment_and_directory_are_as_asked_for()
    {
        var result = await _agent.RunAsync(new ProcessSpec { Argv = ["sh", "-c", "echo $COLOUR; pwd"], Directory = "/usr", User = "root", Environment = new Dictionary<string, string> { ["COLOUR"] = "red" } });
        Assert.Equal("red\n/usr\n", result.Stdout);
    }

    [Theory]
    [InlineData("no-such-command", "", "root", "no-such-command")]
    [InlineData("true", "/no/such/folder", "root", "/no/such/folder")]
    [InlineData("true", "", "nobody-of-that-name", "nobody-of-that-name")]
    public async Task What_is_not_there_is_named(string command, string directory, string user, string named)
    {
        var error = await Assert.ThrowsAsync<AgentException>(() => _agent.Client.StartAsync(new ProcessSpec { Argv = [command], Directory = directory, User = user }, CancellationToken.None));
        Assert.Equal(AgentErrorCode.NotFound, error.Code);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_megabyte_of_input_comes_back_from_cat()
    {
        var input = RandomNumberGenerator.GetBytes(1 << 20);
        await using var process = await _agent.Client.StartAsync(new ProcessSpec { Argv = ["cat"], Stdin = true, User = "root", Directory = "/" }, CancellationToken.None);
        var reading = ReadAsync(process);
        await process.WriteStdinAsync(input, CancellationToken.None);
        await process.CloseStdinAsync(CancellationToken.None);
        Assert.Equal(input, await reading);
        Assert.Equal(0, (await process.Exit).Code);
    }

    [Fact]
    public async Task A_terminal_has_the_size_that_it_was_given_and_is_resized()
    {
        await using var process = await _agent.Client.StartAsync(
            new ProcessSpec { Argv = ["sh", "-c", "stty size; read x; stty size; tty"], Terminal = new TerminalSize(31, 77), User = "root", Directory = "/" }, CancellationToken.None);
        var text = new StringBuilder();
        await foreach (var next in process.ReadAsync(CancellationToken.None))
        {
            text.Append(Encoding.UTF8.GetString(next.Bytes.Span));
            if (text.ToString() == "31 77\r\n")
            {
                await process.ResizeAsync(new TerminalSize(40, 100), CancellationToken.None);
                await process.WriteStdinAsync("\n"u8.ToArray(), CancellationToken.None);
            }
        }
        Assert.Contains("40 100", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("/dev/pts/", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_with_the_same_key_finds_the_same_process()
    {
        var spec = new ProcessSpec { Argv = ["sleep", "60"], User = "root", Directory = "/" };
        await using var first = await _agent.Client.StartAsync(spec, CancellationToken.None);
        await using var second = await _agent.Client.StartAsync(spec, CancellationToken.None);
        Assert.Equal(first.Pid, second.Pid);
        await second.SignalAsync(15, group: true, CancellationToken.None);
        Assert.Equal(15, (await second.Exit).Signal);
    }

    [Fact]
    public async Task A_process_that_takes_too_long_is_ended()
    {
        var result = await _agent.RunAsync(new ProcessSpec { Argv = ["sleep", "60"], User = "root", Directory = "/", Timeout = TimeSpan.FromMilliseconds(200) });
        Assert.Equal(128 + 15, result.Code);
    }

    [Fact]
    public async Task A_grandchild_that_holds_the_pipe_does_not_hold_back_the_end()
    {
        var result = await _agent.ShellAsync("sleep 30 & echo done").WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal((0, "done\n", ""), result);
    }

    [Fact]
    public async Task A_process_that_prints_without_end_and_is_not_read_takes_no_memory_and_holds_up_nobody()
    {
        await using var endless = await _agent.Client.StartAsync(new ProcessSpec { Argv = ["yes"], User = "root", Directory = "/" }, CancellationToken.None);
        await using var unwatched = await _agent.Client.StartAsync(new ProcessSpec { Argv = ["yes"], User = "root", Directory = "/" }, CancellationToken.None);
        await unwatched.DisposeAsync();
        for (var i = 0; i < 20; i++)
            Assert.Equal("well\n", (await _agent.ShellAsync("echo well")).Stdout);
        Assert.InRange(_agent.ResidentKiB, 0, 24 << 10);
        await endless.SignalAsync(9, group: true, CancellationToken.None);
        await _agent.Client.SignalAsync(unwatched.Key, 9, true, CancellationToken.None);
    }

    [Fact]
    public async Task A_slow_reader_loses_nothing()
    {
        await using var process = await _agent.Client.StartAsync(new ProcessSpec { Argv = ["seq", "200000"], User = "root", Directory = "/" }, CancellationToken.None);
        Assert.Equal("well\n", (await _agent.ShellAsync("echo well")).Stdout); // the pipe is full by now, and the process waits
        var text = Encoding.ASCII.GetString(await ReadAsync(process));
        Assert.Equal(string.Concat(Enumerable.Range(1, 200000).Select(i => $"{i}\n")), text);
    }

    [Fact]
    public async Task Finished_processes_are_listed_until_they_are_forgotten()
    {
        var spec = new ProcessSpec { Argv = ["sh", "-c", "exit 3"], User = "root", Directory = "/" };
        await _agent.RunAsync(spec);
        var listed = Assert.Single(await _agent.Client.ListProcessesAsync(CancellationToken.None));
        Assert.Equal((spec.Key, 3), (listed.Key, listed.Exit!.Value.Code));
        await _agent.Client.ForgetAsync(spec.Key, CancellationToken.None);
        Assert.Empty(await _agent.Client.ListProcessesAsync(CancellationToken.None));
    }

    internal static async Task<byte[]> ReadAsync(AgentProcess process)
    {
        var output = new MemoryStream();
        await foreach (var next in process.ReadAsync(CancellationToken.None))
            output.Write(next.Bytes.Span);
        return output.ToArray();
    }
}
