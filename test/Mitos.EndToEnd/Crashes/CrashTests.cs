using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>
/// The daemon is killed in the middle of what it does. The next one has every sandbox that ran, usable and forkable, and nothing of what was half made.
/// </summary>
public sealed class CrashTests(Daemon daemon) : IClassFixture<Daemon>
{
    [Theory]
    [InlineData(20)]
    [InlineData(150)]
    [InlineData(400)]
    public async Task In_a_create(int afterMs) => await DieInAsync(afterMs, "create", "--name", "half-made");

    [Theory]
    [InlineData(20)]
    [InlineData(150)]
    [InlineData(600)]
    public async Task In_a_fork_into_eight(int afterMs) => await DieInAsync(afterMs, "fork", "source", "--count", "8");

    [Fact]
    public async Task In_a_command_whose_process_goes_on()
    {
        var source = (await daemon.MitosAsync("create", "--name", "source")).Ok().Line;
        using var mitos = daemon.Runner.Start(Programs.Cli, ["exec", "source", "--", "bash", "-c", "echo $$; trap '' HUP; while :; do date +%s.%N >/tmp/beat; sleep 0.1; done"]);
        var pid = await mitos.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        await daemon.KillAsync();
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(125, mitos.ExitCode);
        Assert.Contains("mitos status", await mitos.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        await RecoverAsync([source]);
        Assert.Equal("goes on", await daemon.ShellAsync(source, $"kill -0 {pid}; a=$(cat /tmp/beat); while [ \"$a\" = \"$(cat /tmp/beat)\" ]; do sleep 0.1; done; echo goes on"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    [Theory]
    [InlineData("built on base", "half-built", "--run", "echo started; sleep 60")]
    [InlineData("booting", "base", "--no-cache")]
    public async Task In_a_template_build(string what, string name, params string[] rest)
    {
        using var mitos = daemon.Runner.Start(Programs.Cli, ["template", "build", name, .. rest]);
        while (await mitos.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && !line.Contains(what == "booting" ? "] boot" : "sleep 60", StringComparison.Ordinal))
        {
        }
        Assert.False(mitos.HasExited, what);
        await daemon.KillAsync();
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.NotEqual(0, mitos.ExitCode);
        await RecoverAsync([]);
        Assert.Equal(["base"], (await daemon.MitosAsync("template", "ls", "--json")).Json(ContractsJson.Default.ListTemplateBody).Select(template => template.Name));
        var id = await daemon.CreateAsync();
        Assert.Equal("well", await daemon.ShellAsync(id, "echo well"));
        (await daemon.MitosAsync("rm", id)).Ok();
    }

    [Fact]
    public async Task A_VMM_that_is_killed_stops_its_sandbox_alone()
    {
        var source = await daemon.CreateAsync();
        var children = await daemon.ForkAsync(source, 2);
        (await daemon.Runner.RunAsync("/bin/kill", ["-KILL", $"{(await daemon.InspectAsync(children[0])).VmmPid}"])).Ok();
        while ((await daemon.InspectAsync(children[0])).State == "running")
            await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Contains("stopped: its machine ended", (await daemon.MitosAsync("inspect", children[0])).Ok().Text, StringComparison.Ordinal);
        Assert.Contains("stopped", (await daemon.MitosAsync("tree")).Ok().Lines.Single(line => line.Contains(children[0], StringComparison.Ordinal)), StringComparison.Ordinal);
        (await daemon.MitosAsync("exec", children[0], "--", "true")).Refused(125, "stopped", $"mitos rm {children[0]}");
        (await daemon.MitosAsync("fork", children[0])).Refused(4, "stopped", $"mitos rm {children[0]}");
        (await daemon.MitosAsync("cp", $"{children[0]}:/etc/hosts", "/dev/null")).Refused(4, "stopped");
        foreach (var other in new[] { source, children[1] })
            Assert.Equal("well", await daemon.ShellAsync(other, "echo well"));
        (await daemon.MitosAsync("rm", children[0])).Ok();
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    [Fact]
    public async Task A_VMM_that_ended_while_no_daemon_ran_is_a_stopped_sandbox()
    {
        var id = await daemon.CreateAsync();
        var vmm = (await daemon.InspectAsync(id)).VmmPid!.Value;
        await daemon.KillAsync();
        (await daemon.Runner.RunAsync("/bin/kill", ["-KILL", $"{vmm}"])).Ok();
        await Procfs.WaitEndAsync(vmm);
        await RecoverAsync([]);
        Assert.Equal("stopped", (await daemon.InspectAsync(id)).State);
        (await daemon.MitosAsync("rm", id)).Ok();
    }

    private async Task DieInAsync(int afterMs, params string[] command)
    {
        var source = (await daemon.MitosAsync("create", "--name", "source")).Ok().Line;
        await daemon.ShellAsync(source, "echo kept >/root/kept; head -c 20M /dev/urandom >/dev/shm/noise; sync");
        using var mitos = daemon.Runner.Start(Programs.Cli, command);
        await Task.Delay(afterMs, TestContext.Current.CancellationToken); // where it is by then differs from run to run: each place must do
        await daemon.KillAsync();
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        var running = await RecoverAsync([source]);
        Assert.All(running, id => Assert.True(id.Id == source || id.ForkedFrom == source || id.Name == "half-made"));
        // also a child that was ready before the end is a whole one
        foreach (var id in running.Where(sandbox => sandbox.Name != "half-made").Select(sandbox => sandbox.Id).Take(3))
            Assert.Equal("kept", await daemon.ShellAsync(id, "cat /root/kept"));
        var child = Assert.Single(await daemon.ForkAsync(source, 1));
        Assert.Equal("kept", await daemon.ShellAsync(child, "cat /root/kept"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    /// <summary>Starts the daemon again and looks at all that it should have, and has.</summary>
    private async Task<List<SandboxBody>> RecoverAsync(string[] expected)
    {
        await daemon.UpAsync();
        Assert.Empty(await daemon.Leftovers.OfRunningAsync());
        var running = (await daemon.ListAsync()).Where(sandbox => sandbox.State == "running").ToList();
        Assert.Subset(running.Select(sandbox => sandbox.Id).ToHashSet(), expected.ToHashSet());
        return running;
    }
}
