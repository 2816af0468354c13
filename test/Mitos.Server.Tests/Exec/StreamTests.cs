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

    [Theory]
    [InlineData("""{"type":"signal","signal":99}""")]
    [InlineData("""{"type":"signal","signal":-1}""")]
    [InlineData("""{"type":"signal"}""")]
    [InlineData("""{"type":"resize","rows":0,"columns":5}""")]
    [InlineData("""{"type":"resize","rows":24,"columns":80}""")] // it has no terminal
    [InlineData("""{"type":"dance"}""")]
    [InlineData("""{"type":3}""")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("no json")]
    public async Task A_message_that_makes_no_sense_is_refused_and_the_command_goes_on(string message)
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"argv":["cat"],"stdin":true}""");
        await stream.SendAsync(message);
        var refused = await stream.ReadControlAsync();
        Assert.Equal(ExecMessages.Refused, refused.Type);
        Assert.True(refused.Error is { Message.Length: > 0, Remedy.Length: > 0 });
        await stream.SendAsync([ExecChannel.Stdin, .. "still"u8]);
        await stream.SendAsync("""{"type":"closeStdin"}""");
        Assert.Equal(0, (await stream.ReadEndAsync()).ExitCode);
        Assert.Equal("still", stream.Text(ExecChannel.Stdout));
    }

    [Fact]
    public async Task Binary_messages_of_another_channel_and_long_texts_are_refused_whole()
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"argv":["cat"],"stdin":true}""");
        await stream.SendAsync([ExecChannel.Stdout, .. new byte[100_000]]);
        Assert.Contains("byte 0", (await stream.ReadControlAsync()).Error!.Message, StringComparison.Ordinal);
        await stream.SendAsync([]);
        Assert.Equal(ExecMessages.Refused, (await stream.ReadControlAsync()).Type);
        await stream.SendAsync(new string(' ', 1 << 20));
        Assert.Contains("at most", (await stream.ReadControlAsync()).Error!.Message, StringComparison.Ordinal);
        await stream.SendAsync([ExecChannel.Stdin, .. "still"u8]);
        await stream.SendAsync("""{"type":"closeStdin"}""");
        Assert.Equal(0, (await stream.ReadEndAsync()).ExitCode);
        Assert.Equal("still", stream.Text(ExecChannel.Stdout));
    }

    [Theory]
    [InlineData("""{"argv":["/no/such"]}""", ErrorCodes.NotFound)]
    [InlineData("{}", ErrorCodes.InvalidArgument)]
    [InlineData("null", ErrorCodes.InvalidArgument)]
    [InlineData("nonsense", ErrorCodes.InvalidArgument)]
    [InlineData("""{"argv":["true"],"tty":{"rows":0,"columns":80}}""", ErrorCodes.InvalidArgument)]
    public async Task A_command_that_cannot_start_is_an_error_message(string request, string code)
    {
        using var stream = await RawStream.ConnectAsync(server, $"v1/sandboxes/{await server.ShareAsync()}/exec/stream");
        await stream.SendAsync(request);
        var end = await stream.ReadEndAsync();
        Assert.Equal((ExecMessages.Error, code), (end.Type, end.Error!.Code));
        Assert.NotEqual("", end.Error.Remedy);
    }

    [Fact]
    public async Task An_unknown_sandbox_or_process_is_an_error_message_too()
    {
        using var stream = await RawStream.ConnectAsync(server, "v1/sandboxes/nobody/exec/stream");
        Assert.Equal(ErrorCodes.NotFound, (await stream.ReadEndAsync()).Error!.Code);
        using var attach = await RawStream.ConnectAsync(server, $"v1/sandboxes/{await server.ShareAsync()}/processes/nobody/stream");
        Assert.Equal(ErrorCodes.NotFound, (await attach.ReadEndAsync()).Error!.Code);
    }

    [Fact]
    public async Task Input_that_a_command_does_not_read_any_more_is_refused_once_and_nothing_of_its_end_is_lost()
    {
        using var stream = await RawStream.StartAsync(server, await server.ShareAsync(), """{"cmd":"head -c 10; exec 0</dev/null; sleep 1; head -c 400000 /dev/zero; exit 3","stdin":true}""");
        var sending = Task.Run(async () =>
        {
            for (var i = 0; i < 200; i++)
                await stream.SendAsync([ExecChannel.Stdin, .. new byte[30_000]]);
        });
        Assert.Equal(ExecMessages.Refused, (await stream.ReadControlAsync()).Type);
        var end = await stream.ReadControlAsync();
        Assert.Equal((ExecMessages.Exited, 3), (end.Type, end.ExitCode));
        Assert.Equal(400_010, stream.Outputs[ExecChannel.Stdout].Length);
        await sending;
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

    [Fact]
    public async Task A_client_that_leaves_hangs_up_on_its_command()
    {
        var id = await server.ShareAsync();
        using (var stream = await RawStream.StartAsync(server, id, """{"cmd":"trap 'echo yes > /tmp/hung-up' HUP; echo ready; sleep 86402 & wait; wait"}"""))
        {
            await stream.ReadOutputAsync("ready\n");
            stream.Socket.Abort();
        }
        await server.AwaitProcessAsync(id, process => process.Argv.Any(word => word.Contains("86402", StringComparison.Ordinal)) && process.ExitCode is not null);
        Assert.Equal("yes\n", (await server.Client.ExecAsync(id, new ExecRequest { Cmd = "cat /tmp/hung-up" })).Stdout);
    }

    [Fact]
    public async Task A_command_that_ignores_the_hang_up_is_killed_also_when_its_input_is_full()
    {
        var id = await server.ShareAsync();
        using (var stream = await RawStream.StartAsync(server, id, """{"cmd":"trap '' HUP; echo ready; sleep 86403; sleep 86403","stdin":true}"""))
        {
            await stream.ReadOutputAsync("ready\n");
            await stream.SendAsync([ExecChannel.Stdin, .. new byte[600_000]]);
            stream.Socket.Abort();
        }
        await server.AwaitProcessAsync(id, process => process.Argv.Any(word => word.Contains("86403", StringComparison.Ordinal)) && process.Signal == 9);
    }

    // More than all buffers on the way hold: the server does not read from the connection, and sees its end only because it pings.
    [Fact]
    public async Task A_client_that_dies_while_its_input_is_stuck_is_noticed()
    {
        var id = await server.ShareAsync();
        using (var stream = await RawStream.StartAsync(server, id, """{"cmd":"echo ready; exec sleep 86408","stdin":true}"""))
        {
            await stream.ReadOutputAsync("ready\n");
            var sending = stream.SendAsync([ExecChannel.Stdin, .. new byte[32 << 20]]);
            await Task.Delay(1000);
            Assert.False(sending.IsCompleted);
            stream.Socket.Abort();
            await Assert.ThrowsAnyAsync<Exception>(() => sending);
        }
        await server.AwaitProcessAsync(id, process => process.Argv.Any(word => word.Contains("86408", StringComparison.Ordinal)) && process.ExitCode is not null);
    }

    [Fact]
    public async Task A_slow_reader_slows_the_command_down_and_loses_nothing()
    {
        const int Length = 24 << 20;
        var id = await server.ShareAsync();
        using var stream = await RawStream.StartAsync(server, id, $$"""{"argv":["dd","if=/dev/zero","bs=64k","count={{Length >> 16}}","status=none"]}""");
        var pid = (await server.AwaitProcessAsync(id, process => process.Argv[0] == "dd" && process.ExitCode is null)).Pid;
        // Nobody reads: it comes to a standstill long before its end.
        long written = -1, before;
        do
        {
            before = written;
            await Task.Delay(1500);
            var io = (await server.Client.ExecAsync(id, new ExecRequest { Argv = ["grep", "wchar", $"/proc/{pid}/io"], User = "root" })).Stdout;
            written = long.Parse(io.Split(' ')[1]);
        }
        while (written != before);
        Assert.InRange(written, 1, Length / 2);
        Assert.Equal(0, (await stream.ReadEndAsync()).ExitCode);
        Assert.Equal(Length, stream.Outputs[ExecChannel.Stdout].Length);
    }

    [Fact]
    public async Task A_machine_that_ends_in_the_middle_of_a_command_is_told()
    {
        await using var sandbox = await server.CreateAsync();
        using var stream = await RawStream.StartAsync(server, sandbox.Id, """{"argv":["sleep","1000"]}""");
        using (var vmm = Process.GetProcessById(sandbox.VmmPid))
            vmm.Kill();
        var end = await stream.ReadEndAsync();
        Assert.Equal((ExecMessages.Error, ErrorCodes.Unavailable), (end.Type, end.Error!.Code));
        Assert.Contains(sandbox.Id, end.Error.Message, StringComparison.Ordinal);
    }
}
