using System.Text.RegularExpressions;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>create, ls, inspect, fork, tree, top, logs, rm.</summary>
public sealed class SandboxTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task A_name_or_the_beginning_of_an_id_stands_for_the_id()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        foreach (var text in new[] { id, "dev", id[..6] })
            Assert.Equal(id, (await _mitos.RunAsync("inspect", text, "--json")).Json().Text("id"));
        var other = await _mitos.CreateAsync();
        (await _mitos.RunAsync("inspect", "i")).Refused(4, "beginning of 2 ids", id, other);
        (await _mitos.RunAsync("inspect", "dve")).Refused(3, "dve", "Did you mean 'dev'?");
        (await _mitos.RunAsync("create", "--name", "dev")).Refused(4, "dev", "mitos rm dev");
        (await _mitos.RunAsync("rm", "dev", "nobody")).Refused(7, "nobody", "mitos ls");
        Assert.Equal([other], await _mitos.RunningIdsAsync());
    }

    [Fact]
    public async Task A_fork_is_a_computer_of_its_own_that_goes_on_where_its_source_was()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        await _mitos.InAsync(id, "echo before > /root/disk; echo before > /dev/shm/memory; (i=0; while :; do echo $((i++)) > /dev/shm/count; sleep 0.05; done) >/dev/null 2>&1 &");
        var fork = await _mitos.RunAsync("fork", "dev", "--count", "2", "--env", "ROLE=child");
        Assert.Contains("2 of 2 ready", fork.Errors, StringComparison.Ordinal);
        fork.Ok();
        var children = fork.Lines.Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]).ToList();
        foreach (var child in children)
        {
            Assert.Equal("before before child", await _mitos.InAsync(child, "echo $(cat /root/disk /dev/shm/memory) $ROLE"));
            await _mitos.InAsync(child, "a=$(cat /dev/shm/count); sleep 0.5; [ $(cat /dev/shm/count) -gt $a ]"); // its processes run on
            await _mitos.InAsync(child, "echo changed > /root/disk; echo changed > /dev/shm/memory");
        }
        Assert.Equal("before before", await _mitos.InAsync(id, "echo $(cat /root/disk /dev/shm/memory)"));
        var names = new HashSet<string>();
        foreach (var one in children.Append(id))
            Assert.True(names.Add(await _mitos.InAsync(one, "cat /proc/sys/kernel/random/uuid; hostname; cat /etc/machine-id")));
    }

    [Fact]
    public async Task The_tree_shows_lineage_state_age_and_memory_in_plain_lines_however_long_and_deep()
    {
        var id = await _mitos.CreateAsync("--name", "an-ancestor-with-a-long-name-that-makes-its-line-longer-than-80");
        for (var parent = id; (await _mitos.RunningIdsAsync()).Count < 4;)
            parent = (await _mitos.RunAsync("fork", parent, "--json")).Json().GetProperty("children")[0].GetProperty("sandbox").Text("id");
        var ids = await _mitos.RunningIdsAsync();
        (await _mitos.RunAsync("rm", ids[1])).Ok();
        var lines = (await _mitos.RunAsync("tree")).Ok().Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.Equal("3 sandboxes", lines[0]);
        Assert.Matches(@"^└── i\w{20} \(an-ancestor-with-a-long-name-that-makes-its-line-longer-than-80\)  running +\d+[smhd]  private +\d+\.\d  shared +\d+\.\d  vmm +\d+\.\d MiB$", lines[1]);
        Assert.StartsWith($"    └── {ids[1]}", lines[2], StringComparison.Ordinal);
        Assert.EndsWith("gone", lines[2], StringComparison.Ordinal);
        Assert.StartsWith($"        └── {ids[2]}", lines[3], StringComparison.Ordinal);
        Assert.StartsWith($"            └── {ids[3]}", lines[4], StringComparison.Ordinal);
        Assert.All(lines, line => Assert.Equal(line.TrimEnd(), line));
        await using var terminal = new Terminal(_mitos, 24, 40, "mitos", "tree"); // the terminal breaks lines, not we
        Assert.Equal(0, await terminal.EndAsync());
        var seen = terminal.Seen.Replace("\u001b[?1h\u001b=", "", StringComparison.Ordinal).TrimEnd().Split("\r\n");
        Assert.Equal(lines.Select(WithoutFigures), seen.Select(WithoutFigures));
    }

    // Ages and memory go on between two looks.
    private static string WithoutFigures(string line) => Regex.Replace(line, @" +\d+(\.\d|[smhd])(?= |$)", " #");

    [Fact]
    public async Task A_sandbox_of_another_shape_is_made_on_demand()
    {
        var id = await _mitos.CreateAsync("--cpu", "2", "--memory", "256", "--env", "A=1", "--env", "B=two words");
        Assert.Equal("2 1 two words", await _mitos.InAsync(id, "echo $(nproc) $A $B"));
        Assert.InRange(int.Parse(await _mitos.InAsync(id, "free -m | awk '/Mem/{print $2}'")), 150, 256);
        Assert.Contains("2 cpu, 256 MiB", (await _mitos.RunAsync("inspect", id)).Ok(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lists_console_and_use_show_what_is_there()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        Assert.Contains(id, (await _mitos.RunAsync("ls")).Ok(), StringComparison.Ordinal);
        Assert.Equal(id, (await _mitos.RunAsync("ls", "-q")).Ok());
        Assert.Matches($@"{id}\s+dev\s+running\s+\d+\.\d\s+\d+\.\d\s+\d+\.\d\s+\d+\.\d\s+-\s+\d+\.\d\s+\d+", (await _mitos.RunAsync("top", "--once")).Ok());
        var silent = await _mitos.RunAsync("logs", "dev");
        Assert.Equal("", silent.Ok());
        Assert.Contains("nothing is on the console of dev: ", silent.Errors, StringComparison.Ordinal);
        Assert.Contains("mitos exec dev -- ps ax", silent.Errors, StringComparison.Ordinal);
        var asJson = await _mitos.RunAsync("logs", "dev", "--json");
        Assert.Equal(("", ""), (asJson.Json().GetProperty("console").GetString(), asJson.Errors));
        await _mitos.InAsync(id, "echo a word from the guest > /dev/ttyS0");
        var spoken = await _mitos.RunAsync("logs", "dev");
        Assert.Contains("a word from the guest", spoken.Ok(), StringComparison.Ordinal);
        Assert.Equal("", spoken.Errors);
        await using var logs = _mitos.Start("logs", "-f", "dev");
        for (var i = 0; i < 3; i++)
        {
            await _mitos.InAsync(id, $"echo word {i} > /dev/ttyS0");
            while (!(await logs.ReadLineAsync()).Contains($"word {i}", StringComparison.Ordinal))
                ;
        }
        logs.Signal(Running.Interrupt);
        Assert.Equal(130, (await logs.EndAsync()).Code);
    }

    [Fact]
    public async Task A_creation_that_is_interrupted_leaves_no_sandbox()
    {
        for (var delay = 50; delay <= 450; delay += 100)
        {
            await using var create = _mitos.Start("create", "--name", $"nobody-{delay}");
            await Task.Delay(delay);
            create.TrySignal(Running.Interrupt); // it may be done
            var result = await create.EndAsync();
            if (result.Code == 0)
                (await _mitos.RunAsync("rm", result.Ok())).Ok(); // it was ready before
            else
                Assert.Equal(130, result.Code);
        }
        await _mitos.RemoveAllAsync(); // an answer that was on its way when it was interrupted is nobody's fault
        Patience.Until(() => !_mitos.Look().HasMachines, "a machine of an interrupted creation is still there"); // it is ended after its client has left
        _mitos.Look().RequireMachines(0);
    }
}
