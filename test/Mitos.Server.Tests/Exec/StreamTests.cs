using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Exec;

/// <summary>Commands over a WebSocket, as the messages are on the wire.</summary>
public sealed class StreamTests(ServerFixture server)
{
    [Fact]
    public async Task Both_outputs_and_the_exit_code_come_and_then_the_server_closes()
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"cmd":"echo out; echo err >&2; exit 7"}""");
        var end = await stream.ReadEndAsync();
        Assert.Equal((ExecMessages.Exited, 7, 0), (end.Type, end.ExitCode, end.Signal));
        Assert.Equal(("out\n", "err\n"), (stream.Text(ExecChannel.Stdout), stream.Text(ExecChannel.Stderr)));
    }

    [Fact]
    public async Task Output_comes_while_the_command_runs_and_input_reaches_it()
    {
        using var session = await server.Client.OpenExecAsync(await server.ShareAsync(), new ExecRequest { Cmd = "while read line; do echo \"<$line>\"; done; echo end", Stdin = true });
        var reading = session.ReadAsync(ServerFixture.Soon).GetAsyncEnumerator();
        foreach (var line in new[] { "one", "two" })
        {
            await session.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
            Assert.True(await reading.MoveNextAsync());
            Assert.Equal($"<{line}>\n", Encoding.UTF8.GetString(reading.Current.Bytes.Span));
        }
        await session.CloseStdinAsync();
        Assert.True(await reading.MoveNextAsync());
        Assert.Equal("end\n", Encoding.UTF8.GetString(reading.Current.Bytes.Span));
        Assert.False(await reading.MoveNextAsync());
        Assert.Equal(0, session.ExitCode);
    }

    [Fact]
    public async Task Every_byte_passes_exactly_however_messages_are_cut()
    {
        var bytes = RandomNumberGenerator.GetBytes(3_000_000);
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"argv":["cat"],"stdin":true}""");
        var reading = stream.ReadEndAsync();
        await stream.SendAsync([ExecChannel.Stdin, .. bytes[..1_500_000]]); // one message of more than the server reads at a time
        await stream.SendAsync([ExecChannel.Stdin], end: false);            // the channel alone in its frame
        await stream.SendAsync(bytes[1_500_000..1_500_001], end: false);
        await stream.SendAsync([], end: false);
        await stream.SendAsync(bytes[1_500_001..2_000_000]);
        await stream.SendAsync([ExecChannel.Stdin]);                        // nothing
        foreach (var piece in bytes[2_000_000..].Chunk(7_001))
            await stream.SendAsync([ExecChannel.Stdin, .. piece]);
        await stream.SendAsync("""{"type":"closeStdin"}""");
        Assert.Equal(0, (await reading).ExitCode);
        Assert.Equal(Convert.ToHexString(SHA256.HashData(bytes)), Convert.ToHexString(SHA256.HashData(stream.Outputs[ExecChannel.Stdout].ToArray())));
    }

    [Fact]
    public async Task A_signal_ends_the_command_and_is_told()
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"argv":["sleep","1000"]}""");
        await stream.SendAsync("""{"type":"signal","signal":2}""");
        var end = await stream.ReadEndAsync();
        Assert.Equal((130, 2), (end.ExitCode, end.Signal));
    }

    [Fact]
    public async Task A_signal_of_the_client_passes_input_that_nobody_reads()
    {
        using var session = await server.Client.OpenExecAsync(await server.ShareAsync(), new ExecRequest { Argv = ["sleep", "1000"], Stdin = true });
        var writing = session.WriteAsync(new byte[8 << 20], ServerFixture.Soon);
        await session.SignalAsync(15, ServerFixture.Soon);
        await foreach (var _ in session.ReadAsync(ServerFixture.Soon))
        {
        }
        Assert.Equal(143, session.ExitCode);
        await writing;
    }

    [Fact]
    public async Task A_terminal_has_the_size_that_it_is_given_and_can_be_resized()
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"cmd":"stty -echo; stty size; read x; stty size; tty","tty":{"rows":30,"columns":100},"stdin":true}""");
        await stream.ReadOutputAsync("30 100\r\n");
        await stream.SendAsync("""{"type":"resize","rows":50,"columns":132}""");
        await stream.SendAsync([ExecChannel.Stdin, (byte)'\n']);
        Assert.Equal(0, (await stream.ReadEndAsync()).ExitCode);
        var text = stream.Text(ExecChannel.Stdout);
        Assert.Matches("^30 100\r\n50 132\r\n/dev/pts/\\d+\r\n$", text);
    }

    // as a user who is not root
    [Fact]
    public async Task A_command_can_open_its_outputs_and_its_terminal_by_their_names()
    {
        var id = await server.ShareAsync();
        var done = await server.Client.ExecAsync(id, new ExecRequest { Cmd = "echo out >/dev/stdout; echo err >/dev/stderr" });
        Assert.Equal(("out\n", "err\n"), (done.Stdout, done.Stderr));
        using var stream = await RawStream.StartAsync(server, id, """{"cmd":"echo term >$(tty)","tty":{"rows":24,"columns":80}}""");
        Assert.Equal(0, (await stream.ReadEndAsync()).ExitCode);
        Assert.Equal("term\r\n", stream.Text(ExecChannel.Stdout));
    }
}
