using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

[Collection(CommandsCollection.Name)]
public sealed class PolishTests(CommandsDaemon daemon)
{
    private static readonly string[] ColourAnyway = ["TERM=xterm-256color", "COLUMNS=40", "GITHUB_ACTIONS=true", "CI=true", "CLICOLOR_FORCE=1"];

    [Fact]
    public async Task What_is_not_a_terminal_gets_whole_lines_without_colour()
    {
        var name = new string('n', 63);
        var ids = new List<string> { (await daemon.MitosAsync("create", "--name", name)).Ok().Line };
        for (var depth = 0; depth < 2; depth++)
            ids.AddRange(await daemon.ForkAsync(ids[^1], 1));
        foreach (var command in new[] { new[] { "tree" }, ["ls"], ["inspect", ids[2]], ["top", "--once"], ["template", "ls"], ["doctor"], ["--help"] })
        {
            var run = (await daemon.Runner.RunAsync("/usr/bin/env", [.. ColourAnyway, Programs.Cli, .. command])).Ok();
            Assert.DoesNotContain('\u001b', run.Text + run.Error);
            Assert.DoesNotContain('\r', run.Text);
        }
        var tree = (await daemon.Runner.RunAsync("/usr/bin/env", [.. ColourAnyway, Programs.Cli, "tree"])).Ok().Lines;
        Assert.Contains(tree, line => line.Contains($"{ids[0]} ({name})  running", StringComparison.Ordinal) && line.Contains("vmm", StringComparison.Ordinal));
        Assert.Equal((await daemon.ListAsync()).Count + 1, tree.Length); // a line each, and the head
        Assert.Contains(tree, line => line.Contains(ids[2], StringComparison.Ordinal) && line.IndexOf(ids[2], StringComparison.Ordinal) > 8);
        (await daemon.MitosAsync(["rm", .. ids])).Ok();
    }

    [Fact]
    public async Task The_demo_prints_whole_lines_and_leaves_what_was_there()
    {
        var before = (await daemon.ListAsync()).Select(sandbox => sandbox.Id).ToList();
        var run = (await daemon.MitosAsync("demo")).Ok();
        Assert.DoesNotContain('\u001b', run.Text + run.Error);
        Assert.Equal(8, run.Lines.Count(line => line.Contains("  first command ", StringComparison.Ordinal) && line.Contains("  score ", StringComparison.Ordinal)));
        Assert.Single(run.Lines, line => line.EndsWith("<- best", StringComparison.Ordinal));
        Assert.Equal(before, (await daemon.ListAsync()).Select(sandbox => sandbox.Id));
    }

    [Fact]
    public async Task Bash_completes_commands_options_names_and_ids()
    {
        using var terminal = new Terminal(daemon.Runner, "bash --norc --noprofile -i", columns: 300);
        await terminal.TypeAsync($"PS1=; bind 'set enable-bracketed-paste off'; PATH={Programs.Directory}:$PATH; source <(mitos completion bash); echo read$((1))y\r");
        await terminal.UntilAsync("read1y\r\n");
        await terminal.TypeAsync("mitos insp\tshar\t--js\t\r"); // a command, a name, an option
        await terminal.UntilAsync($"\"id\":\"{daemon.Shared}\"");
        await terminal.TypeAsync($"echo; {Programs.Directory}/mitos inspect {daemon.Shared[..8]}\t\r"); // by its path; the beginning of an id
        await terminal.UntilAsync($"mitos inspect {daemon.Shared}");
        await terminal.UntilAsync("FLAVOUR=plain");
        await terminal.TypeAsync("mitos create --template ba\t; exit\r");
        await terminal.UntilAsync("--template base");
        await terminal.EndAsync();
        (await daemon.MitosAsync("rm", (await daemon.ListAsync())[^1].Id)).Ok();
    }

    [Theory]
    [InlineData("bash", "complete")]
    [InlineData("zsh", "compdef")]
    [InlineData("fish", "complete -c mitos")]
    public async Task There_is_a_script_for_each_shell(string shell, string has) =>
        Assert.Contains(has, (await daemon.MitosAsync("completion", shell)).Ok().Text, StringComparison.Ordinal);

    [Fact]
    public async Task The_doctor_names_each_check_and_its_JSON_is_the_same()
    {
        var text = (await daemon.MitosAsync("doctor")).Ok().Text;
        var host = (await daemon.MitosAsync("doctor", "--json")).Json(ContractsJson.Default.HostBody);
        Assert.Equal(daemon.StateDirectory, host.StateDirectory);
        Assert.NotEmpty(host.Checks);
        Assert.All(host.Checks, check => Assert.Contains(check.Name, text, StringComparison.Ordinal));
        Assert.All(host.Checks, check => Assert.True(check.Status == "ok" || check.Remedy.Length > 0 || check.Finding.Contains("not used yet", StringComparison.Ordinal), $"{check.Name} has no remedy"));
        // without a program that is needed it fails, and says what to do
        var lame = await daemon.Runner.RunAsync("/usr/bin/env", ["MITOS_ACCEL=nonsense", Programs.Cli, "doctor"]);
        Assert.NotEqual(0, lame.Code);
        Assert.DoesNotContain("Unhandled", lame.Error, StringComparison.Ordinal);
    }
}
