using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Exec;

/// <summary>Streams whose client, command or machine does not do what it should.</summary>
public sealed class StreamFaultTests(ServerFixture server)
{
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
