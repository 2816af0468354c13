using System.Text;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Exec;

public sealed class ProcessTests(ServerFixture server)
{
    [Fact]
    public async Task A_detached_process_outlives_its_client_can_be_attached_to_and_signalled()
    {
        var id = await server.ShareAsync();
        string process;
        using (var session = await server.Client.OpenExecAsync(id, new ExecRequest { Cmd = "echo first; read line; echo \"second $line\"; exec sleep 86404", Stdin = true, Detach = true }))
            process = session.Process;
        var listed = await server.AwaitProcessAsync(id, found => found.Id == process);
        Assert.Equal(("user", "/home/user", null), (listed.User, listed.Cwd, listed.ExitCode));

        using var attached = await server.Client.AttachAsync(id, process);
        Assert.Equal(listed.Pid, attached.Pid);
        await attached.WriteAsync("half\n"u8.ToArray());
        var text = new StringBuilder();
        await foreach (var (_, bytes) in attached.ReadAsync(ServerFixture.Soon))
        {
            text.Append(Encoding.UTF8.GetString(bytes.Span));
            if (text.ToString().EndsWith("half\n", StringComparison.Ordinal))
                await attached.SignalAsync(15);
        }
        Assert.Equal(("first\nsecond half\n", 143), (text.ToString(), attached.ExitCode));
        await server.AwaitProcessAsync(id, found => found.Id == process && found is { ExitCode: 143, Signal: 15 });

        using var late = await server.Client.AttachAsync(id, process); // its end can be read again
        await foreach (var _ in late.ReadAsync(ServerFixture.Soon))
        {
        }
        Assert.Equal(143, late.ExitCode);
    }

    [Fact]
    public async Task A_process_is_signalled_by_id_and_by_pid_and_its_end_is_told()
    {
        var id = await server.ShareAsync();
        foreach (var byPid in new[] { false, true })
        {
            using var session = await server.Client.OpenExecAsync(id, new ExecRequest { Argv = ["sleep", "86405"] });
            await server.Http.PostJsonAsync($"v1/sandboxes/{id}/processes/{(byPid ? $"{session.Pid}" : session.Process)}/signal", """{"signal":12,"group":false}""").DoneAsync();
            await foreach (var _ in session.ReadAsync(ServerFixture.Soon))
            {
            }
            Assert.Equal(128 + 12, session.ExitCode);
        }
    }

    [Fact]
    public async Task A_signal_without_a_body_is_SIGTERM()
    {
        var id = await server.ShareAsync();
        using var session = await server.Client.OpenExecAsync(id, new ExecRequest { Argv = ["sleep", "86406"] });
        await server.Http.PostAsync($"v1/sandboxes/{id}/processes/{session.Process}/signal", null).DoneAsync();
        await foreach (var _ in session.ReadAsync(ServerFixture.Soon))
        {
        }
        Assert.Equal(143, session.ExitCode);
    }

    [Fact]
    public async Task What_has_ended_or_is_no_signal_or_nobody_is_refused()
    {
        var id = await server.ShareAsync();
        using var session = await server.Client.OpenExecAsync(id, new ExecRequest { Cmd = "sleep 1", Detach = true });
        await server.Http.PostJsonAsync($"v1/sandboxes/{id}/processes/{session.Process}/signal", """{"signal":0}""").RefusedAsync(400);
        await server.Http.PostJsonAsync($"v1/sandboxes/{id}/processes/{session.Process}/signal", """{"signal":65}""").RefusedAsync(400);
        await server.Http.PostJsonAsync($"v1/sandboxes/{id}/processes/1/signal", "{}").RefusedAsync(404); // not started through the API
        await server.Http.PostJsonAsync($"v1/sandboxes/{id}/processes/{new string('0', 32)}/signal", "{}").RefusedAsync(404);
        var error = await Assert.ThrowsAsync<MitosException>(() => server.Client.AttachAsync(id, "nobody"));
        Assert.Equal(ErrorCodes.NotFound, error.Code);
    }

    [Fact]
    public async Task Children_of_a_fork_have_the_same_processes()
    {
        await using var source = await server.CreateAsync();
        using var session = await server.Client.OpenExecAsync(source.Id, new ExecRequest { Argv = ["sleep", "86407"], Detach = true });
        var child = Assert.Single((await server.Client.ForkAsync(source.Id, new ForkRequest())).Children).Sandbox!.Id;
        var inherited = Assert.Single(await server.Client.ListProcessesAsync(child), process => process.Id == session.Process);
        Assert.Equal((session.Pid, null), (inherited.Pid, inherited.ExitCode));
        await server.Client.SignalAsync(child, session.Process, 9);
        await server.AwaitProcessAsync(child, process => process.Id == session.Process && process.Signal == 9);
        Assert.Null(Assert.Single(await server.Client.ListProcessesAsync(source.Id)).ExitCode); // the source's goes on
        await server.Client.RemoveAsync(child);
    }
}
