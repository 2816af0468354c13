using System.Text;
using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class ProcessTests
{
    private static CancellationToken Deadline => AgentHost.Deadline;

    [Fact]
    public async Task A_command_runs_and_its_outputs_and_exit_code_come_apart()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent, "echo out; echo err >&2; exit 7", Deadline);
        Assert.Equal(("out\n", "err\n", new ProcessExit(7, 0)), (result.Out, result.Err, result.Exit));
    }

    // More ends at once than the loop takes in one turn, and the agent hardly runs: what was written must be read all the same before the end is told.
    [Fact]
    public async Task Of_many_commands_that_end_together_each_gives_all_its_output()
    {
        await using var host = new AgentHost();
        var all = Enumerable.Range(0, 200).Select(i => ProcessOutput.RunAsync(host.Agent, $"while [ ! -e {host.PathOf("go")} ]; do sleep 0.2; done; echo {i}", Deadline)).ToList();
        await Task.Delay(2000);
        await File.WriteAllTextAsync(host.PathOf("go"), "");
        for (var i = 0; i < 40; i++)
        {
            Signal("STOP");
            await Task.Delay(120);
            Signal("CONT");
            await Task.Delay(2);
        }
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"{i}\n"), (await Task.WhenAll(all)).Select(result => result.Out));

        void Signal(string name) => System.Diagnostics.Process.Start("kill", [$"-{name}", $"{host.ProcessId}"]).WaitForExit();
    }

    [Fact]
    public async Task Binary_output_comes_unchanged()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent, "i=0; while [ $i -lt 256 ]; do printf \"\\\\$(printf %o $i)\"; i=$((i+1)); done", Deadline);
        Assert.Equal(Enumerable.Range(0, 256).Select(i => (byte)i), result.Stdout);
    }

    [Fact]
    public async Task Arguments_environment_directory_and_user_are_as_asked()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent, new ProcessSpec
        {
            Argv = ["sh", "-c", "printf '%s|' \"$@\" \"$GREETING\" \"$HOME\" \"$USER\" \"$PWD\"; id -u", "sh", "a b", "", "é'\""],
            User = "nobody",
            Directory = "/usr/bin",
            Environment = new Dictionary<string, string> { ["GREETING"] = "hello\nworld" },
        }, Deadline);
        Assert.Equal("a b||é'\"|hello\nworld|/nonexistent|nobody|/usr/bin|65534\n", result.Out);
    }

    [Theory]
    [InlineData("no-such-command", "", "", AgentErrorCode.NotFound, 2)]
    [InlineData("true", "/no/such/directory", "", AgentErrorCode.NotFound, 2)]
    [InlineData("/etc/passwd", "", "", AgentErrorCode.PermissionDenied, 13)]
    [InlineData("true", "", "no-such-user", AgentErrorCode.UnknownUser, 0)]
    [InlineData("a\0b", "", "", AgentErrorCode.InvalidArgument, 0)]
    [InlineData("", "", "", AgentErrorCode.InvalidArgument, 0)]
    public async Task What_cannot_be_started_is_refused_and_says_why(string command, string directory, string user, AgentErrorCode code, int errno)
    {
        await using var host = new AgentHost();
        var error = await Assert.ThrowsAsync<AgentException>(() => host.Agent.StartAsync(new ProcessSpec { Argv = [command], Directory = directory, User = user }, Deadline));
        Assert.Equal((code, errno), (error.Code, error.Errno));
        Assert.StartsWith("In sandbox itest: ", error.Message);
        Assert.Empty(await host.Agent.ListProcessesAsync(Deadline));
    }

    [Fact]
    public async Task A_command_is_looked_up_in_the_PATH_of_its_own_environment()
    {
        await using var host = new AgentHost();
        File.WriteAllText(host.PathOf("tool"), "#!/bin/sh\necho found\n");
        File.SetUnixFileMode(host.PathOf("tool"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var spec = new ProcessSpec { Argv = ["tool"], User = "root", Environment = new Dictionary<string, string> { ["PATH"] = $"/nowhere:{Path.GetDirectoryName(host.PathOf("tool"))}:/bin" } };
        Assert.Equal("found\n", (await ProcessOutput.RunAsync(host.Agent, spec, Deadline)).Out);
    }

    [Fact]
    public async Task Starting_the_same_key_again_finds_the_same_process()
    {
        await using var host = new AgentHost();
        var spec = ProcessOutput.Shell("echo once; sleep 30");
        await using var first = await host.Agent.StartAsync(spec, Deadline);
        await using var second = await host.Agent.StartAsync(spec, Deadline);
        Assert.Equal(first.Pid, second.Pid);
        var only = Assert.Single(await host.Agent.ListProcessesAsync(Deadline));
        Assert.Equal((first.Pid, "sh", "root", "/", null), (only.Pid, only.Argv[0], only.User, only.Directory, only.Exit));
        await using var events = first.ReadAsync(Deadline).GetAsyncEnumerator();
        Assert.True(await events.MoveNextAsync());
        Assert.Equal("once\n", Encoding.UTF8.GetString(events.Current.Bytes.Span));
        await first.SignalAsync(9, group: true, Deadline);
        Assert.Equal("once\n", (await ProcessOutput.ReadAsync(second, Deadline)).Out);
    }

    [Fact]
    public async Task A_list_tells_the_environments_of_processes_that_run_where_it_is_asked_for()
    {
        await using var host = new AgentHost();
        var spec = ProcessOutput.Shell("echo $OWN $BOTH $AROUND; read -r _") with
        {
            Environment = new Dictionary<string, string> { ["OWN"] = "o", ["BOTH"] = "b" },
            Surroundings = new Dictionary<string, string> { ["AROUND"] = "a", ["BOTH"] = "hidden" },
            Stdin = true,
        };
        await using var process = await host.Agent.StartAsync(spec, Deadline);
        Assert.Equal(spec.Environment, Assert.Single(await host.Agent.ListProcessesAsync(Deadline, environments: true)).Environment);
        Assert.Empty(Assert.Single(await host.Agent.ListProcessesAsync(Deadline)).Environment);
        await process.CloseStdinAsync(Deadline);
        Assert.Equal("o b a\n", (await ProcessOutput.ReadAsync(process, Deadline)).Out);
        Assert.Empty(Assert.Single(await host.Agent.ListProcessesAsync(Deadline, environments: true)).Environment);
    }

    [Fact]
    public async Task A_signal_ends_the_process_alone_or_its_whole_group()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.05; done"), Deadline);
        await using var events = process.ReadAsync(Deadline).GetAsyncEnumerator();
        Assert.True(await events.MoveNextAsync());
        await process.SignalAsync(10, group: false, Deadline);
        Assert.Equal(new ProcessExit(3, 0), await process.Exit.WaitAsync(Deadline));

        var result = await StartAndSignal("sleep 100 & sleep 100", 15);
        Assert.Equal(new ProcessExit(143, 15), result.Exit);

        async Task<ProcessOutput> StartAndSignal(string command, int signal)
        {
            await using var other = await host.Agent.StartAsync(ProcessOutput.Shell(command), Deadline);
            await other.SignalAsync(signal, group: true, Deadline);
            return await ProcessOutput.ReadAsync(other, Deadline);
        }
    }

    [Fact]
    public async Task A_signal_to_a_process_that_has_ended_and_one_that_does_not_exist_are_refused()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("sleep 100"), Deadline);
        Assert.Equal(AgentErrorCode.InvalidArgument, (await Assert.ThrowsAsync<AgentException>(() => process.SignalAsync(0, group: true, Deadline))).Code);
        await process.SignalAsync(9, group: true, Deadline);
        await process.Exit.WaitAsync(Deadline);
        Assert.Equal(AgentErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<AgentException>(() => process.SignalAsync(9, group: true, Deadline))).Code);
        Assert.Equal(AgentErrorCode.NotFound, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.SignalAsync(ProcessKey.New(), 9, true, Deadline))).Code);
    }

    [Fact]
    public async Task A_process_out_of_time_is_terminated_with_its_group_and_killed_when_it_does_not_listen()
    {
        await using var host = new AgentHost();
        var polite = await ProcessOutput.RunAsync(host.Agent, ProcessOutput.Shell("sleep 100 | cat") with { Timeout = TimeSpan.FromMilliseconds(100) }, Deadline);
        Assert.Equal(15, polite.Exit.Signal);
        var stubborn = await ProcessOutput.RunAsync(host.Agent, ProcessOutput.Shell("trap '' TERM; while :; do sleep 0.1; done") with { Timeout = TimeSpan.FromMilliseconds(100) }, Deadline);
        Assert.Equal(new ProcessExit(137, 9), stubborn.Exit);
    }

    [Fact]
    public async Task Input_is_read_to_its_end_and_a_process_without_input_reads_the_end_at_once()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("cat; echo; wc -c < /dev/null") with { Stdin = true }, Deadline);
        var text = new string('x', 300_000);
        var reading = ProcessOutput.ReadAsync(process, Deadline);
        await process.WriteStdinAsync(Encoding.UTF8.GetBytes(text), Deadline);
        await process.WriteStdinAsync("end"u8.ToArray(), Deadline);
        await process.CloseStdinAsync(Deadline);
        Assert.Equal(text + "end\n0\n", (await reading).Out);
        Assert.Equal("", (await ProcessOutput.RunAsync(host.Agent, "cat", Deadline)).Out);
    }

    [Fact]
    public async Task Input_waits_for_its_reader_and_fails_when_the_process_ends_instead()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("sleep 100") with { Stdin = true }, Deadline);
        var writing = process.WriteStdinAsync(new byte[1 << 20], Deadline);
        await host.Agent.PingAsync(Deadline);
        Assert.False(writing.IsCompleted);
        await process.SignalAsync(9, group: true, Deadline);
        var error = await Assert.ThrowsAsync<AgentException>(() => writing);
        Assert.Equal((AgentErrorCode.FailedPrecondition, 32), (error.Code, error.Errno));
    }

    [Fact]
    public async Task Input_goes_on_where_it_was_for_a_second_client_and_after_a_cancelled_write()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("cat") with { Stdin = true }, Deadline);
        await process.WriteStdinAsync("one "u8.ToArray(), Deadline);
        using (var cancelled = new CancellationTokenSource())
        {
            cancelled.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => process.WriteStdinAsync("never"u8.ToArray(), cancelled.Token));
        }
        await using var twin = await host.Agent.AttachAsync(process.Key, 0, 0, Deadline);
        await twin.WriteStdinAsync("two "u8.ToArray(), Deadline);
        await process.WriteStdinAsync("three"u8.ToArray(), Deadline);
        await twin.CloseStdinAsync(Deadline);
        Assert.Equal("one two three", (await ProcessOutput.ReadAsync(process, Deadline)).Out);
    }

    [Fact]
    public async Task What_a_process_leaves_behind_neither_delays_its_end_nor_dies_of_it()
    {
        await using var host = new AgentHost();
        var mark = host.PathOf("mark");
        var result = await ProcessOutput.RunAsync(host.Agent, $"(sleep 0.4; echo late; echo alive > {mark}; sleep 100) & echo started", Deadline);
        Assert.Equal("started\n", result.Out);
        await ProcessOutput.RunAsync(host.Agent, $"until [ -s {mark} ]; do sleep 0.02; done", Deadline);
        var endless = await ProcessOutput.RunAsync(host.Agent, "(while :; do echo y; sleep 0.01; done) & echo started", Deadline);
        Assert.StartsWith("started\n", endless.Out.Replace("y\n", "", StringComparison.Ordinal));
        Assert.Equal(0, endless.Exit.Code);
    }

    [Fact]
    public async Task Output_in_the_pipe_at_the_exit_is_read_to_the_end_however_slow_the_reader()
    {
        await using var host = new AgentHost();
        var spec = ProcessOutput.Shell("seq 1 200000");
        await using var process = await host.Agent.StartAsync(spec, Deadline);
        var text = new StringBuilder();
        await foreach (var next in process.ReadAsync(Deadline))
        {
            text.Append(Encoding.UTF8.GetString(next.Bytes.Span));
            await host.Agent.PingAsync(Deadline);
        }
        Assert.Equal(string.Concat(Enumerable.Range(1, 200000).Select(i => $"{i}\n")), text.ToString());
    }

    [Fact]
    public async Task Nothing_is_dropped_while_somebody_is_attached_and_does_not_read()
    {
        await using var host = new AgentHost();
        await using var process = await host.Agent.StartAsync(ProcessOutput.Shell("seq 1 500000; echo done >&2"), Deadline);
        await using var quick = await host.Agent.AttachAsync(process.Key, 0, 0, Deadline);
        var first = ProcessOutput.ReadAsync(quick, Deadline); // would run ahead, were it not held back by the other
        await ProcessOutput.RunAsync(host.Agent, "seq 1 1000", Deadline);
        Assert.False(process.Exit.IsCompleted);
        var second = await ProcessOutput.ReadAsync(process, Deadline);
        Assert.Equal(3388895, second.Stdout.Length);
        Assert.Equal(second.StdoutHash, (await first).StdoutHash);
    }

    [Fact]
    public async Task With_nobody_attached_a_process_prints_for_ever_and_the_agent_stays_small()
    {
        await using var host = new AgentHost();
        var spec = ProcessOutput.Shell("yes 0123456789abcdef");
        await using (var process = await host.Agent.StartAsync(spec, Deadline))
        {
            await using var events = process.ReadAsync(Deadline).GetAsyncEnumerator();
            Assert.True(await events.MoveNextAsync());
        }
        await ProcessOutput.RunAsync(host.Agent, "i=0; while [ $i -lt 30 ]; do sleep 0.02; i=$((i+1)); done", Deadline);
        await using var again = await host.Agent.AttachAsync(spec.Key, 0, 0, Deadline);
        await using var later = again.ReadAsync(Deadline).GetAsyncEnumerator();
        Assert.True(await later.MoveNextAsync());
        Assert.True(later.Current.Offset > 10 << 20, $"it was held back: only {later.Current.Offset} bytes");
        Assert.True(Memory.ResidentKiB(host.ProcessId) < 16 << 10, $"{Memory.ResidentKiB(host.ProcessId)} KiB");
        await again.SignalAsync(9, group: true, Deadline);
    }

    [Fact]
    public async Task A_finished_process_is_kept_until_it_is_forgotten_and_a_running_one_cannot_be()
    {
        await using var host = new AgentHost();
        var spec = ProcessOutput.Shell("echo kept; exit 4");
        await ProcessOutput.RunAsync(host.Agent, spec, Deadline);
        Assert.Equal(new ProcessExit(4, 0), Assert.Single(await host.Agent.ListProcessesAsync(Deadline)).Exit);
        await using (var again = await host.Agent.AttachAsync(spec.Key, 0, 0, Deadline))
            Assert.Equal("kept\n", (await ProcessOutput.ReadAsync(again, Deadline)).Out);
        await host.Agent.ForgetAsync(spec.Key, Deadline);
        Assert.Empty(await host.Agent.ListProcessesAsync(Deadline));
        Assert.Equal(AgentErrorCode.NotFound, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.AttachAsync(spec.Key, 0, 0, Deadline))).Code);

        var running = ProcessOutput.Shell("sleep 100");
        await using var process = await host.Agent.StartAsync(running, Deadline);
        Assert.Equal(AgentErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.ForgetAsync(running.Key, Deadline))).Code);
    }

    [Fact]
    public async Task The_oldest_finished_processes_are_forgotten_beyond_256_and_a_long_list_still_comes()
    {
        await using var host = new AgentHost();
        var padding = new string('p', 2000);
        var keys = new List<ProcessKey>();
        for (var i = 0; i < 270; i++)
        {
            var spec = new ProcessSpec { Argv = ["true", padding], User = "root", Directory = "/" };
            keys.Add(spec.Key);
            await ProcessOutput.RunAsync(host.Agent, spec, Deadline);
        }
        await ProcessOutput.RunAsync(host.Agent, "true", Deadline);
        var listed = (await host.Agent.ListProcessesAsync(Deadline)).Select(process => process.Key).ToList();
        Assert.InRange(listed.Count, 256, 258); // those with a subscriber stay a little longer
        Assert.Equal(keys[^200..], listed[^201..^1]);
    }

    [Fact]
    public async Task Orphans_are_reaped()
    {
        await using var host = new AgentHost();
        var result = await ProcessOutput.RunAsync(host.Agent,
            "(sh -c 'echo $$; exec sleep 0.05 >/dev/null 2>&1' &) | (read pid; i=0; while [ -e /proc/$pid ]; do i=$((i+1)); [ $i -lt 200 ] || exit 1; sleep 0.02; done; echo $pid)", Deadline);
        Assert.Equal(0, result.Exit.Code);
        Assert.True(int.Parse(result.Out) > 1);
    }
}
