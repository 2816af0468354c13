using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

[Collection(CommandsCollection.Name)]
public sealed class TerminalTests(CommandsDaemon daemon)
{
    private Terminal Open(string command, int rows = 24, int columns = 80) => new(daemon.Runner, $"{Programs.Cli} exec -it {daemon.Shared} -- {command}", rows, columns);

    [Fact]
    public async Task A_shell_has_a_terminal_of_the_size_of_ours_takes_what_is_typed_and_ends_with_its_own_code()
    {
        using var terminal = Open("bash --norc", 31, 97);
        await terminal.TypeAsync("tty; stty size; echo a$((40 + 2))b\r");
        await terminal.UntilAsync("/dev/pts/");
        await terminal.UntilAsync("31 97");
        await terminal.UntilAsync("a42b");
        await terminal.TypeAsync("exit 5\r");
        Assert.Equal(5, await terminal.EndAsync());
    }

    [Fact]
    public async Task The_terminal_follows_when_the_window_changes()
    {
        using var terminal = Open("bash -c 'trap \"stty size\" WINCH; echo ready; while :; do sleep 0.1; done'");
        await terminal.UntilAsync("ready");
        await terminal.ResizeAsync(50, 132);
        await terminal.UntilAsync("50 132");
        await terminal.TypeAsync("\u0003");
        Assert.Equal(130, await terminal.EndAsync());
    }

    [Fact]
    public async Task Control_c_interrupts_the_command_and_not_the_shell()
    {
        using var terminal = Open("bash --norc");
        await terminal.TypeAsync("echo begi$((9))n; cat\r");
        await terminal.UntilAsync("begi9n\r\n");
        await terminal.TypeAsync("echoed by cat\r");
        await terminal.UntilAsync("echoed by cat\r\nechoed by cat\r\n");
        await terminal.TypeAsync("\u0003");
        await terminal.TypeAsync("echo still $((6 * 7))\r");
        await terminal.UntilAsync("still 42");
        await terminal.TypeAsync("\u0004");
        await terminal.EndAsync();
    }

    [Fact]
    public async Task Our_own_terminal_is_as_it_was_afterwards()
    {
        using var terminal = new Terminal(daemon.Runner, $"bash -c 'stty -g >/tmp/before-{daemon.Pid}; {Programs.Cli} exec -it {daemon.Shared} -- true; stty -g | cmp - /tmp/before-{daemon.Pid} && echo same; rm /tmp/before-{daemon.Pid}'");
        await terminal.UntilAsync("same");
        Assert.Equal(0, await terminal.EndAsync());
    }
}
