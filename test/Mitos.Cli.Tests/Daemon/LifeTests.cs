using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Daemon;

/// <summary>up, down, status.</summary>
public sealed class LifeTests(MitosFixture fixture)
{
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task Without_a_daemon_every_command_says_so_and_how_it_is_started()
    {
        var nowhere = new Installation();
        string[][] commands =
        [
            ["status"], ["ls"], ["tree"], ["create"], ["inspect", "x"], ["fork", "x"], ["pause", "x"], ["resume", "x"], ["snapshot", "ls"], ["keys", "ls"], ["env"], ["rm", "x"], ["rm", "--all"], ["logs", "x"], ["top", "--once"], ["cp", "/etc/hostname", "x:/tmp/h"],
            ["cp", "x:/tmp/h", "/tmp"], ["template", "ls"], ["template", "build", "x"], ["template", "rm", "x"],
        ];
        foreach (var command in commands)
            (await nowhere.RunAsync(command)).Refused(6, "not running", nowhere.Socket, "mitos up");
        (await nowhere.RunAsync("exec", "x", "--", "true")).Refused(125, "not running", "mitos up");
        Assert.Equal("mitosd does not run", (await nowhere.RunAsync("down")).Ok());
        Assert.False(Directory.Exists(nowhere.StateDirectory)); // looking makes nothing
    }

    [Fact]
    public async Task The_first_up_says_what_it_builds_where_it_serves_and_what_to_type_next()
    {
        string[] words = ["starting mitosd", "building the template base", "[1/5] kernel", "[5/5] freeze", "the template base is ready after", _mitos.Url, Path.Combine(_mitos.StateDirectory, "api-key"), "mitos create --name dev"];
        Assert.All(words, word => Assert.Contains(word, fixture.FirstUp.Errors, StringComparison.Ordinal));
        await _mitos.DownAsync();
        var next = await _mitos.RunAsync("up");
        Assert.Contains("runs as process", next.Ok(), StringComparison.Ordinal);
        Assert.Contains(_mitos.Url, next.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("/5]", next.Errors, StringComparison.Ordinal); // nothing was built
    }

    [Fact]
    public async Task Up_again_changes_nothing_and_status_names_the_daemon()
    {
        var pid = await _mitos.DaemonPidAsync();
        var again = await _mitos.RunAsync("up");
        Assert.Contains($"process {pid}", again.Ok(), StringComparison.Ordinal);
        Assert.Equal("", again.Errors);
        Assert.Contains($"process {pid} with 0 sandboxes; {_mitos.Socket}", (await _mitos.RunAsync("status")).Ok(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Down_lets_sandboxes_go_on_and_up_has_them_again()
    {
        var id = await _mitos.CreateAsync("--name", "kept");
        await _mitos.InAsync(id, "(while sleep 0.1; do date +%s%N > /dev/shm/beat; done) >/dev/null 2>&1 & echo memory > /dev/shm/kept");
        var vmm = (await _mitos.RunAsync("inspect", id, "--json")).Json().GetProperty("vmmPid").GetInt32();
        Assert.Contains("1 sandbox", (await _mitos.RunAsync("down")).Ok(), StringComparison.Ordinal);
        (await _mitos.RunAsync("ls")).Refused(6, "mitos up");
        _mitos.Look().RequireMachines(1);
        await _mitos.UpAsync();
        Assert.Equal(vmm, (await _mitos.RunAsync("inspect", "kept", "--json")).Json().GetProperty("vmmPid").GetInt32());
        Assert.Equal("memory", await _mitos.InAsync("kept", "cat /dev/shm/kept"));
        Assert.NotEqual(await _mitos.InAsync(id, "cat /dev/shm/beat"), await _mitos.InAsync(id, "sleep 0.5; cat /dev/shm/beat"));
        (await _mitos.RunAsync("down")).Ok();
        Assert.Contains("mitosd has ended", (await _mitos.RunAsync("down", "--all")).Ok(), StringComparison.Ordinal); // also those that a daemon left
        _mitos.Look().RequireMachines(0);
        Assert.Contains("does not run", (await _mitos.RunAsync("down", "--all")).Ok(), StringComparison.Ordinal);
        await _mitos.UpAsync();
    }

    [Theory]
    [InlineData(Running.Interrupt)]
    [InlineData(Running.Terminate)]
    public async Task In_the_foreground_the_daemon_ends_with_its_command(int signal)
    {
        await _mitos.DownAsync();
        await using (var up = _mitos.Start("up", "--foreground"))
        {
            Assert.Contains("mitosd serves", await ReadUntilAsync(up, "mitosd serves"), StringComparison.Ordinal);
            var pid = await _mitos.DaemonPidAsync();
            (await _mitos.RunAsync("up", "--foreground")).Refused(4, $"process {pid}", "mitos down");
            up.Signal(signal);
            Assert.Equal(0, (await up.EndAsync()).Code);
            Assert.False(Directory.Exists($"/proc/{pid}"));
        }
        await _mitos.UpAsync();
    }

    private static async Task<string> ReadUntilAsync(Running running, string word)
    {
        while (true)
        {
            if (await running.ReadLineAsync() is var line && line.Contains(word, StringComparison.Ordinal))
                return line;
        }
    }
}
