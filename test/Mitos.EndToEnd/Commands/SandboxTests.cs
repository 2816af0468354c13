using System.Text.Json;
using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

[Collection(CommandsCollection.Name)]
public sealed class SandboxTests(CommandsDaemon daemon)
{
    [Fact]
    public async Task Children_have_the_files_and_the_running_processes_of_their_source_and_go_ways_of_their_own()
    {
        var source = await daemon.CreateAsync();
        await daemon.ShellAsync(source, "echo on disk >/root/file; mkfifo /run/ask; (X=in-memory; while read y </run/ask; do echo $X $y >/run/answer; done) >/dev/null 2>&1 </dev/null & echo $! >/run/pid");
        var fork = (await daemon.MitosAsync("fork", source, "--count", "3", "--env", "EXTRA=1")).Ok();
        Assert.Contains("source paused", fork.Error, StringComparison.Ordinal);
        Assert.Equal(4, fork.Lines.Length); // a head and three children
        var children = (await daemon.ListAsync()).Where(sandbox => sandbox.ForkedFrom == source).ToList();
        Assert.Equal([0, 1, 2], children.Select(child => child.ForkIndex!.Value).Order());
        foreach (var child in children)
        {
            Assert.Contains(child.Id, fork.Text, StringComparison.Ordinal);
            var answer = await daemon.ShellAsync(child.Id, $"kill -0 $(cat /run/pid) && echo {child.ForkIndex} >/run/ask; until [ -s /run/answer ]; do sleep 0.1; done; cat /root/file /run/answer; echo $EXTRA; echo {child.ForkIndex} >/root/file");
            Assert.Equal($"on disk\nin-memory {child.ForkIndex}\n1", answer);
        }
        Assert.Equal("on disk", await daemon.ShellAsync(source, "cat /root/file; ! [ -e /run/answer ]"));
        var tree = (await daemon.MitosAsync("tree")).Ok();
        var at = Array.FindIndex(tree.Lines, line => line.Contains(source, StringComparison.Ordinal));
        Assert.All(children, child => Assert.Contains(tree.Lines[(at + 1)..(at + 4)], line => line.Contains(child.Id, StringComparison.Ordinal)));

        // the source goes, the children stay, and the picture is not torn
        Assert.Equal(source, (await daemon.MitosAsync("rm", source)).Ok().Line);
        Assert.Contains($"{source}  gone", (await daemon.MitosAsync("tree")).Ok().Text, StringComparison.Ordinal);
        var removed = await daemon.MitosAsync(["rm", .. children.Select(child => child.Id)]);
        Assert.Equal(children.Select(child => child.Id), removed.Ok().Lines);
        Assert.DoesNotContain(await daemon.ListAsync(), sandbox => sandbox.Id == source || sandbox.ForkedFrom == source);
    }

    [Fact]
    public async Task Json_of_each_command_parses_and_says_what_the_table_says()
    {
        var created = (await daemon.MitosAsync("create", "--name", "typed", "--env", "K=V", "--json")).Json(ContractsJson.Default.SandboxBody);
        Assert.Equal(("typed", "running", "V"), (created.Name, created.State, created.Env["K"]));
        var fork = (await daemon.MitosAsync("fork", "typed", "--json")).Json(ContractsJson.Default.ForkBody);
        var child = Assert.Single(fork.Children).Sandbox!;
        Assert.Equal(created.Id, fork.Source);
        foreach (var listed in new[] { "ls", "tree" })
        {
            var all = (await daemon.MitosAsync(listed, "--json")).Json(ContractsJson.Default.ListSandboxBody);
            Assert.Contains(all, sandbox => sandbox.Id == created.Id && sandbox.Memory!.SharedBytes > 0);
            Assert.Equal([created.Id], all.Single(sandbox => sandbox.Id == child.Id).Lineage);
        }
        Assert.Equal(created.Id, (await daemon.MitosAsync("inspect", "typed", "--json")).Json(ContractsJson.Default.SandboxBody).Id);
        Assert.Equal(daemon.Pid, (await daemon.MitosAsync("status", "--json")).Json(ContractsJson.Default.HealthBody).Pid);
        Assert.Equal(daemon.Pid, (await daemon.MitosAsync("up", "--json")).Json(ContractsJson.Default.HealthBody).Pid);
        Assert.Equal("base", Assert.Single((await daemon.MitosAsync("template", "ls", "--json")).Json(ContractsJson.Default.ListTemplateBody)).Name);
        Assert.Equal([created.Id, child.Id], JsonSerializer.Deserialize<string[]>((await daemon.MitosAsync("rm", created.Id, child.Id, "--json")).Ok().Output)!);
    }

    [Fact]
    public async Task Names_and_the_beginnings_of_ids_are_as_good_as_ids()
    {
        Assert.Equal(daemon.Shared, (await daemon.InspectAsync("shared")).Id);
        Assert.Equal(daemon.Shared, (await daemon.InspectAsync(daemon.Shared[..10])).Id);
        var table = (await daemon.MitosAsync("inspect", daemon.Shared[..10])).Ok().Text;
        Assert.Contains("FLAVOUR=plain", table, StringComparison.Ordinal);
        var line = (await daemon.MitosAsync("ls")).Ok().Lines.Single(line => line.StartsWith(daemon.Shared, StringComparison.Ordinal));
        Assert.Contains("shared", line, StringComparison.Ordinal);
        Assert.Contains(daemon.Shared, (await daemon.MitosAsync("ls", "--quiet")).Ok().Lines);
    }

    [Fact]
    public async Task A_beginning_that_two_ids_have_is_refused_with_both()
    {
        var other = await daemon.CreateAsync();
        (await daemon.MitosAsync("inspect", "i")).Refused(4, "'i' is the beginning of", other); // every id begins with it
        (await daemon.MitosAsync("rm", "i")).Refused(4, "'i' is the beginning of", daemon.Shared);
        (await daemon.MitosAsync("rm", other)).Ok();
    }

    [Fact]
    public async Task Logs_show_the_console_and_the_host_name_is_the_sandboxes()
    {
        await daemon.ShellAsync(daemon.Shared, "echo 'a word for the console' >/dev/console");
        Assert.Contains("a word for the console", (await daemon.MitosAsync("logs", "shared")).Ok().Text, StringComparison.Ordinal);
        Assert.Equal("shared", await daemon.ShellAsync(daemon.Shared, "hostname"));
    }

    [Fact]
    public async Task Removing_all_is_said_of_each_and_one_that_is_unknown_does_not_keep_the_others()
    {
        var one = await daemon.CreateAsync();
        var two = await daemon.CreateAsync();
        var run = (await daemon.MitosAsync("rm", one, "never-there", two)).Refused(3, "never-there");
        Assert.Equal([one, two], run.Lines);
        (await daemon.MitosAsync("rm")).Refused(2, "--all", "--all");
    }
}
