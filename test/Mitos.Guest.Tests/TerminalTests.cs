using System.Text;
using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class TerminalTests
{
    private static CancellationToken Deadline => AgentHost.Deadline;

    [Fact]
    public async Task A_process_gets_a_controlling_terminal_of_the_size_asked_for()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent, Terminal("tty; stty size; echo $TERM; echo err >&2; : < /dev/tty && echo controlling"), Deadline);
        Assert.Matches(@"^/dev/pts/\d+\r\n41 133\r\nxterm-256color\r\nerr\r\ncontrolling\r\n$", result.Out);
        Assert.Equal(("", 0), (result.Err, result.Exit.Code));
    }

    [Fact]
    public async Task What_is_typed_is_echoed_and_read_and_control_c_interrupts()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(Terminal("read line; echo \"got $line\"; trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.05; done"), Deadline);
        var screen = new Screen(process);
        await process.WriteStdinAsync("hello\r"u8.ToArray(), Deadline);
        await screen.WaitForAsync("hello\r\ngot hello\r\nready\r\n");
        await process.WriteStdinAsync(new byte[] { 3 }, Deadline);
        await screen.WaitForAsync("interrupted");
        Assert.Equal(new ProcessExit(5, 0), await process.Exit.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_new_size_is_seen_by_the_process()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(Terminal("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"), Deadline);
        var screen = new Screen(process);
        await screen.WaitForAsync("ready");
        await process.ResizeAsync(new TerminalSize(50, 200), Deadline);
        await screen.WaitForAsync("50 200");
        Assert.Equal(AgentErrorCode.InvalidArgument, (await Assert.ThrowsAsync<AgentException>(() => process.ResizeAsync(new TerminalSize(0, 70000), Deadline))).Code);
    }

    [Fact]
    public async Task The_end_of_input_is_control_d()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(Terminal("cat; echo end"), Deadline);
        await process.WriteStdinAsync("line\n"u8.ToArray(), Deadline);
        await process.CloseStdinAsync(Deadline);
        Assert.EndsWith("line\r\nend\r\n", (await ProcessOutput.ReadAsync(process, Deadline)).Out);
    }

    [Fact]
    public async Task A_process_without_a_terminal_has_no_size()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("sleep 100"), Deadline);
        Assert.Equal(AgentErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<AgentException>(() => process.ResizeAsync(new TerminalSize(1, 1), Deadline))).Code);
    }

    [Fact]
    public async Task A_megabyte_through_a_terminal_comes_whole()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent, Terminal("stty -opost; seq 1 150000"), Deadline);
        Assert.Equal(string.Concat(Enumerable.Range(1, 150000).Select(i => $"{i}\n")), result.Out);
    }

    private static ProcessSpec Terminal(string command) => ProcessOutput.Shell(command) with { Terminal = new TerminalSize(41, 133), Stdin = true };

    private sealed class Screen(AgentProcess process)
    {
        private readonly StringBuilder _text = new();
        private readonly IAsyncEnumerator<ProcessEvent> _events = process.ReadAsync(Deadline).GetAsyncEnumerator();

        public async Task WaitForAsync(string expected)
        {
            while (!_text.ToString().Contains(expected, StringComparison.Ordinal))
            {
                Assert.True(await _events.MoveNextAsync(), $"'{expected}' did not come, but: {_text}");
                _text.Append(Encoding.UTF8.GetString(_events.Current.Bytes.Span));
            }
        }
    }
}
