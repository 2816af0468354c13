using Google.Protobuf;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.Tests.Envd;

public sealed class ProcessTests(ServerFixture server)
{
    private const string Start = "process.Process/Start", Input = "process.Process/SendInput", Signals = "process.Process/SendSignal", List = "process.Process/List";

    public static TheoryData<string> Forms => ["json", "proto"];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_process_tells_its_pid_its_output_and_its_end(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        using var stream = await client.OpenAsync(Start, Bash("echo 'ü 💣'; echo bad >&2; exit 3"));
        Assert.InRange(await stream.ReadPidAsync(), 2u, 4_000_000u);
        var (output, end) = await stream.ReadToEndAsync();
        Assert.Contains("ü 💣\n", output, StringComparison.Ordinal);
        Assert.Contains("bad\n", output, StringComparison.Ordinal);
        Assert.Equal(new ProcessEvent.Types.EndEvent { ExitCode = 3, Exited = true, Status = "exit status 3", Error = "exit status 3" }, end);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Large_output_comes_whole(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        using var stream = await client.OpenAsync(Start, Bash("head -c 1000000 /dev/zero | tr '\\0' x"));
        await stream.ReadPidAsync();
        Assert.Equal(1_000_000, (await stream.ReadToEndAsync()).Output.Length);
    }

    [Theory]
    [InlineData("json", "", "/home/user", "user")]
    [InlineData("proto", "root", "/root", "root")]
    public async Task The_environment_is_the_guests_then_the_sandboxs_then_the_requests(string form, string user, string home, string name)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var request = Bash("pwd; echo $HOME $USER $LOGNAME; echo $E2B_SANDBOX $E2B_SANDBOX_ID $E2B_TEMPLATE_ID; echo $PATH; echo $MINE");
        request.Process.Envs["MINE"] = "a b=c";
        request.Process.Envs["E2B_TEMPLATE_ID"] = "other";
        using var stream = await client.OpenAsync(Start, request, user);
        await stream.ReadPidAsync();
        var lines = (await stream.ReadToEndAsync()).Output.Split('\n');
        Assert.Equal([home, $"{home} {name} {name}", $"true {client.Id} other"], lines[..3]);
        Assert.Contains("/usr/bin", lines[3], StringComparison.Ordinal);
        Assert.Equal("a b=c", lines[4]);
    }

    [Theory]
    [InlineData("nobody-here", "/bin/sh", "", "unauthenticated", "invalid username: 'nobody-here'")]
    [InlineData("", "/bin/sh", "/no/such/directory", "invalid_argument", "/no/such/directory")]
    [InlineData("", "/bin/sh", "/etc/passwd", "invalid_argument", "/etc/passwd")]
    [InlineData("", "no-such-command", "", "invalid_argument", "no-such-command")]
    [InlineData("", "/etc/passwd", "", "invalid_argument", "/etc/passwd")]
    [InlineData("", "", "", "invalid_argument", "process.cmd")]
    public async Task A_start_that_cannot_be_is_refused_in_the_last_frame(string user, string command, string directory, string code, string words)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var stream = await client.OpenAsync(Start, new StartRequest { Process = new() { Cmd = command, Cwd = directory } }, user);
        var error = await Assert.ThrowsAsync<EnvdError>(stream.ReadAsync<StartResponse>);
        Assert.Equal(code, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Input_is_sent_and_closed_by_pid_or_tag(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var tag = $"tag-{Guid.NewGuid():N}";
        using var stream = await client.OpenAsync(Start, new StartRequest { Process = new() { Cmd = "cat", Envs = { ["FOO"] = "bar" } }, Tag = tag, Stdin = true });
        var pid = await stream.ReadPidAsync();
        var listed = (await client.CallAsync<ListResponse>(List, new ListRequest())).Processes.Single(process => process.Pid == pid);
        Assert.Equal(("cat", "/home/user", tag), (listed.Config.Cmd, listed.Config.Cwd, listed.Tag));
        Assert.Equal(new Dictionary<string, string> { ["FOO"] = "bar" }, listed.Config.Envs.ToDictionary());
        await client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = new() { Pid = pid }, Input = new() { Stdin = ByteString.CopyFromUtf8("one ") } });
        Assert.Equal("one ", await stream.ReadUntilAsync("one "));
        var wrong = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = new() { Pid = pid }, Input = new() { Pty = ByteString.CopyFromUtf8("x") } }));
        Assert.Equal(("failed_precondition", 400), (wrong.Code, wrong.Status));
        byte[] messages =
        [
            .. client.Frame(new StreamInputRequest { Start = new() { Process = new() { Tag = tag } } }),
            .. client.Frame(new StreamInputRequest { Keepalive = new() }),
            .. client.Frame(new StreamInputRequest { Data = new() { Input = new() { Stdin = ByteString.CopyFromUtf8("two") } } }),
            .. client.Frame(new StreamInputRequest { Data = new() { Input = new() { Stdin = ByteString.CopyFromUtf8(" three") } } }),
        ];
        using (var sent = await client.OpenAsync("process.Process/StreamInput", new ByteArrayContent(messages)))
        {
            Assert.NotNull(await sent.ReadAsync<StreamInputResponse>());
            Assert.Null(await sent.ReadAsync<StreamInputResponse>());
        }
        await client.CallAsync<CloseStdinResponse>("process.Process/CloseStdin", new CloseStdinRequest { Process = new() { Tag = tag } });
        var (output, end) = await stream.ReadToEndAsync();
        Assert.Equal("two three", output);
        Assert.Equal("exit status 0", end.Status);
        var gone = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = new() { Pid = pid }, Input = new() { Stdin = ByteString.CopyFromUtf8("x") } }));
        Assert.Equal(("not_found", 404), (gone.Code, gone.Status));
    }

    [Fact]
    public async Task A_process_without_input_reads_its_end_and_takes_none()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var request = Bash("cat; sleep 60");
        request.Stdin = false;
        using var stream = await client.OpenAsync(Start, request);
        var pid = await stream.ReadPidAsync();
        var error = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = new() { Pid = pid }, Input = new() { Stdin = ByteString.CopyFromUtf8("x") } }));
        Assert.Equal("failed_precondition", error.Code);
        await client.CallAsync<SendSignalResponse>(Signals, new SendSignalRequest { Process = new() { Pid = pid }, Signal = Signal.Sigterm });
        Assert.Equal("signal: terminated", (await stream.ReadToEndAsync()).End.Status);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_killed_process_says_by_what_and_is_not_found_again(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        using var stream = await client.OpenAsync(Start, Bash("sleep 60"));
        var kill = new SendSignalRequest { Process = new() { Pid = await stream.ReadPidAsync() }, Signal = Signal.Sigkill };
        await client.CallAsync<SendSignalResponse>(Signals, kill);
        Assert.Equal(new ProcessEvent.Types.EndEvent { ExitCode = -1, Status = "signal: killed", Error = "signal: killed" }, (await stream.ReadToEndAsync()).End);
        Assert.Equal("not_found", (await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendSignalResponse>(Signals, kill))).Code);
        Assert.Equal("invalid_argument", (await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendSignalResponse>(Signals, new SendSignalRequest { Process = kill.Process }))).Code);
        Assert.Equal("invalid_argument", (await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendSignalResponse>(Signals, new SendSignalRequest { Signal = Signal.Sigkill }))).Code);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_process_outlives_its_client_and_is_followed_again_also_after_its_end(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var mark = $"/tmp/go-{Guid.NewGuid():N}";
        uint pid;
        using (var left = await client.OpenAsync(Start, Bash($"until [ -e {mark} ]; do sleep 0.1; done; echo later; exit 4")))
            pid = await left.ReadPidAsync();
        var select = new ConnectRequest { Process = new() { Pid = pid } };
        using (var again = await client.OpenAsync("process.Process/Connect", select))
        {
            Assert.Equal(pid, await again.ReadPidAsync());
            using var touch = await client.OpenAsync(Start, Bash($"touch {mark}"));
            var (output, end) = await again.ReadToEndAsync();
            Assert.Equal(("later\n", 4), (output, end.ExitCode));
        }
        using var late = await client.OpenAsync("process.Process/Connect", select);
        Assert.Equal(pid, await late.ReadPidAsync());
        Assert.Equal(4, (await late.ReadToEndAsync()).End.ExitCode);
        using var none = await client.OpenAsync("process.Process/Connect", new ConnectRequest { Process = new() { Pid = 3_999_999 } });
        Assert.Equal("not_found", (await Assert.ThrowsAsync<EnvdError>(none.ReadAsync<ConnectResponse>)).Code);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task When_the_clients_time_is_over_the_process_is_killed(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        using var stream = await client.OpenAsync(Start, Bash("trap '' TERM; sleep 600"), headers: ("Connect-Timeout-Ms", "1500"));
        var pid = await stream.ReadPidAsync();
        Assert.Equal("deadline_exceeded", (await Assert.ThrowsAsync<EnvdError>(stream.ReadToEndAsync)).Code);
        using var after = await client.OpenAsync("process.Process/Connect", new ConnectRequest { Process = new() { Pid = pid } });
        await after.ReadPidAsync();
        Assert.Equal("signal: killed", (await after.ReadToEndAsync()).End.Status);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Silence_is_filled_with_signs_of_life(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        using var stream = await client.OpenAsync(Start, new StartRequest { Process = new() { Cmd = "cat" }, Stdin = true }, headers: ("Keepalive-Ping-Interval", "1"));
        var pid = await stream.ReadPidAsync();
        for (var i = 0; i < 2; i++)
            Assert.NotNull((await stream.ReadAsync<StartResponse>())!.Event.Keepalive);
        await client.CallAsync<CloseStdinResponse>("process.Process/CloseStdin", new CloseStdinRequest { Process = new() { Pid = pid } });
        Assert.Equal(0, (await stream.ReadToEndAsync()).End.ExitCode);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_terminal_has_a_size_that_changes_and_takes_its_own_kind_of_input(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var request = new StartRequest { Process = new() { Cmd = "/bin/bash", Args = { "-i" }, Envs = { ["TERM"] = "xterm-256color" } }, Pty = new() { Size = new() { Rows = 24, Cols = 80 } } };
        using var stream = await client.OpenAsync(Start, request);
        var select = new ProcessSelector { Pid = await stream.ReadPidAsync() };
        await TypeAsync("stty size\n");
        await stream.ReadUntilAsync("24 80");
        await client.CallAsync<UpdateResponse>("process.Process/Update", new UpdateRequest { Process = select, Pty = new() { Size = new() { Rows = 50, Cols = 132 } } });
        await TypeAsync("stty size\n");
        await stream.ReadUntilAsync("50 132");
        Assert.Equal("failed_precondition", (await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<CloseStdinResponse>("process.Process/CloseStdin", new CloseStdinRequest { Process = select }))).Code);
        Assert.Equal("failed_precondition", (await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = select, Input = new() { Stdin = ByteString.CopyFromUtf8("x") } }))).Code);
        await TypeAsync("exit 7\n");
        Assert.Equal(7, (await stream.ReadToEndAsync()).End.ExitCode);

        Task TypeAsync(string text) => client.CallAsync<SendInputResponse>(Input, new SendInputRequest { Process = select, Input = new() { Pty = ByteString.CopyFromUtf8(text) } });
    }

    private static StartRequest Bash(string script) => new() { Process = new() { Cmd = "/bin/bash", Args = { "-c", script } } };
}
