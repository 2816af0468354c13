using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>Completion in a real bash.</summary>
public sealed class CompletionTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;
    private string _id = "";

    public async ValueTask InitializeAsync() => _id = await _mitos.CreateAsync("--name", "dev");

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task Bash_offers_commands_options_sandboxes_and_templates_where_they_can_stand()
    {
        Assert.Equal(["exec"], await CompleteAsync("mitos ex"));
        Assert.Superset(new HashSet<string> { "up", "down", "create", "exec", "fork", "tree", "template" }, (await CompleteAsync("mitos ")).ToHashSet());
        Assert.Equal(["build", "ls", "publish", "rm", "unpublish"], await CompleteAsync("mitos template "));
        foreach (var command in new[] { "exec", "fork", "inspect", "logs", "rm" })
            Assert.Equal(["dev", _id], await CompleteAsync($"mitos {command} "));
        Assert.Equal(["dev"], await CompleteAsync("mitos exec d"));
        Assert.Equal([_id], await CompleteAsync($"mitos exec {_id[..5]}"));
        Assert.Equal([_id], await CompleteAsync($"mitos rm dev {_id[..5]}"));
        Assert.Equal(["dev:"], await CompleteAsync("mitos cp de"));
        Assert.Equal(["base"], await CompleteAsync("mitos create --template "));
        Assert.Equal(["base"], await CompleteAsync("mitos template rm "));
        Assert.Equal(["--count"], await CompleteAsync("mitos fork dev --co"));
        Assert.Equal(["bash", "fish", "zsh"], await CompleteAsync("mitos completion "));
        Assert.Empty(await CompleteAsync("mitos exec dev -- l"));
    }

    [Fact]
    public async Task Without_a_daemon_it_offers_what_it_knows_and_says_nothing()
    {
        var nowhere = new Installation();
        var result = await nowhere.RunAsync("[suggest:11]", "mitos exec ");
        Assert.DoesNotContain("dev", result.Ok(), StringComparison.Ordinal);
        Assert.Equal("", result.Errors);
        Assert.Contains("exec", (await nowhere.RunAsync("[suggest:8]", "mitos ex")).Ok(), StringComparison.Ordinal);
        foreach (var position in new[] { "[suggest:99]", "[suggest:-1]", "[suggest:x]", "[suggest:" })
            Assert.Equal("", (await nowhere.RunAsync(position, "mitos ex")).Ok());
    }

    [Fact]
    public async Task A_person_presses_Tab()
    {
        await using var terminal = new Terminal(_mitos, 24, 80, "bash", "--norc", "--noprofile", "-i");
        terminal.Type("source <(mitos completion bash); echo read$((1+1))\n");
        await terminal.AwaitAsync("read2");
        terminal.Type("mitos insp\td\t\n");
        await terminal.AwaitAsync($"id           {_id}");
        terminal.Type("exit\n");
        Assert.Equal(0, await terminal.EndAsync());
        Assert.Contains("mitos inspect dev", terminal.Seen, StringComparison.Ordinal);
    }

    // As bash calls it: the function of the script, with its variables.
    private async Task<string[]> CompleteAsync(string line) => (await _mitos.ShellAsync($$"""
        source <(mitos completion bash)
        COMP_LINE='{{line}}'
        COMP_POINT={{line.Length}}
        read -ra COMP_WORDS <<< "$COMP_LINE"
        case "$COMP_LINE" in *' ') COMP_WORDS+=('') ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _mitos
        printf '%s\n' "${COMPREPLY[@]}"
        """)).Lines;
}
