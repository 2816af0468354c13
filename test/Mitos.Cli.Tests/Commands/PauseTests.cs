using System.Globalization;
using System.Text.Json;
using Mitos.Cli.Tests.Hosting;
using Mitos.Contracts;

namespace Mitos.Cli.Tests.Commands;

/// <summary>pause, resume, snapshot, create and fork of snapshots, --timeout, keys, env.</summary>
public sealed class PauseTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync() => await _mitos.RemoveAllAsync();

    [Fact]
    public async Task A_paused_sandbox_has_no_machine_shows_what_it_takes_on_disk_and_can_be_forked_and_resumed()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        await _mitos.InAsync(id, "echo kept > /dev/shm/memory");
        var paused = await _mitos.RunAsync("pause", "dev");
        Assert.Equal(id, paused.Ok());
        Assert.Matches(@"^dev: \d+\.\d MiB on disk\n$", paused.Errors);
        _mitos.Look().RequireMachines(0);
        Assert.Equal(id, (await _mitos.RunAsync("pause", "dev")).Ok()); // it is already
        Assert.Matches($@"{id}\s+dev\s+paused\s+base\s+\d+s\s+-\s+-\s+-\s+\d+\.\d\s+-", (await _mitos.RunAsync("ls")).Ok());
        Assert.Matches($@"{id} \(dev\)  paused    +\d+s  on disk +\d+\.\d MiB", (await _mitos.RunAsync("tree")).Ok());
        var shown = (await _mitos.RunAsync("inspect", "dev")).Ok();
        Assert.Matches(@"on disk +\d+\.\d MiB, paused 20", shown);
        Assert.Matches(@"(?m)^memory +-$", shown);
        Assert.Matches($@"{id}\s+dev\s+paused\s+-\s+-\s+-\s+-\s+\d+\.\d\s+-\s+-", (await _mitos.RunAsync("top", "--once")).Ok());
        (await _mitos.RunAsync("exec", "dev", "--", "true")).Refused(125, "paused", "mitos resume");

        var fork = await _mitos.RunAsync("fork", "dev", "--json");
        Assert.Equal("kept", await _mitos.InAsync(fork.Json().GetProperty("children")[0].GetProperty("sandbox").Text("id"), "cat /dev/shm/memory"));
        (await _mitos.RunAsync("resume", "dev", "nobody")).Refused(7, "nobody", "mitos ls");
        Assert.Equal("kept", await _mitos.InAsync("dev", "cat /dev/shm/memory"));
        Assert.Equal(id, (await _mitos.RunAsync("resume", "dev")).Ok()); // it runs already
        (await _mitos.RunAsync("resume", "--reboot", "dev")).Refused(4, "is running", $"mitos pause {id}");
        (await _mitos.RunAsync("resume", "dve")).Refused(3, "dve", "Did you mean 'dev'?");
        (await _mitos.RunAsync("pause")).Refused(2, "mitos pause --help");
    }

    [Fact]
    public async Task A_command_whose_sandbox_is_paused_or_removed_is_told_so_in_one_line_and_what_to_do()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        await using (var command = _mitos.Start("exec", "dev", "--", "sh", "-c", "echo begun >&2; sleep 1000"))
        {
            await command.AwaitErrorAsync("begun");
            (await _mitos.RunAsync("pause", "dev")).Ok();
            Assert.Equal($"mitos: Sandbox '{id}' was paused.\n       Its processes go on after `mitos resume {id}`.\n", Failed(await command.EndAsync()));
        }
        (await _mitos.RunAsync("resume", "dev")).Ok();
        Assert.Equal("sleep", await _mitos.InAsync("dev", "ps -C sleep -o comm="));
        await using (var command = _mitos.Start("exec", "dev", "--", "sh", "-c", "echo begun >&2; sleep 1000"))
        {
            await command.AwaitErrorAsync("begun");
            (await _mitos.RunAsync("rm", "dev")).Ok();
            Assert.Equal($"mitos: Sandbox '{id}' was removed.\n       What ran in it is gone: create or fork another.\n", Failed(await command.EndAsync()));
        }

        static string Failed(Result result)
        {
            Assert.Equal(125, result.Code);
            return result.Errors;
        }
    }

    [Fact]
    public async Task Snapshots_make_sandboxes_one_or_many_and_go_when_they_are_removed()
    {
        var id = await _mitos.CreateAsync("--name", "dev");
        await _mitos.InAsync(id, "echo kept > /dev/shm/memory");
        var snapshot = (await _mitos.RunAsync("snapshot", "create", "dev", "--name", "golden")).Ok();
        Assert.Matches($@"{snapshot}\s+golden\s+{id}\s+base\s+\d+s\s+1\s+512\s+\d+\.\d\s+\d+\.\d", (await _mitos.RunAsync("snapshot", "ls")).Ok());
        Assert.Equal(snapshot, (await _mitos.RunAsync("snapshot", "ls", "-q")).Ok());
        var copy = await _mitos.CreateAsync("--snapshot", "golden", "--timeout", "1h30m", "--on-timeout", "pause");
        Assert.Equal("kept", await _mitos.InAsync(copy, "cat /dev/shm/memory"));
        Assert.Matches($@"{copy}\s.*\spause in (89|90)m", (await _mitos.RunAsync("ls")).Ok());
        var fork = await _mitos.RunAsync("fork", "--snapshot", snapshot[..8], "--count", "2");
        Assert.Contains("nothing was paused for it", fork.Errors, StringComparison.Ordinal);
        Assert.Equal(3, fork.Ok().Split('\n').Length);

        (await _mitos.RunAsync("snapshot", "create", "dev", "--name", "golden")).Refused(4, "golden");
        (await _mitos.RunAsync("fork", "golden")).Refused(3, "no sandbox 'golden'", "mitos fork --snapshot golden");
        (await _mitos.RunAsync("fork", "--snapshot", "goldne")).Refused(3, "goldne", "Did you mean 'golden'?");
        (await _mitos.RunAsync("create", "--snapshot", "goldne")).Refused(3, "goldne", "Did you mean 'golden'?");
        (await _mitos.RunAsync("create", "--snapshot", "golden", "--template", "base")).Refused(2, "--template");
        (await _mitos.RunAsync("fork", "dev", "--snapshot", "golden")).Refused(2, "--snapshot", "mitos fork --help");
        foreach (var timeout in new[] { "soon", "0", "1x", "-5", "99999d" })
            (await _mitos.RunAsync("create", $"--timeout={timeout}")).Refused(2);
        (await _mitos.RunAsync("create", "--on-timeout", "pause")).Refused(2, "--on-timeout says", "--timeout");
        (await _mitos.RunAsync("create", "--snapshot", "golden", "--cpu", "2")).Refused(2, "1 cpu", "Leave out --cpu and --memory");
        (await _mitos.RunAsync("snapshot", "rm", "golden", "golden")).Refused(7, "golden", "mitos snapshot ls");
        Assert.Equal("kept", await _mitos.InAsync(copy, "cat /dev/shm/memory"));
    }

    [Fact]
    public async Task Keys_are_shown_once_and_env_points_E2Bs_clients_at_the_daemon()
    {
        var key = (await _mitos.RunAsync("keys", "create", "for ci")).Ok();
        Assert.Matches("^e2b_[0-9a-f]{40}$", key); // as it is, for E2B's clients
        var listed = (await _mitos.RunAsync("keys", "ls")).Ok();
        Assert.DoesNotContain(key, listed, StringComparison.Ordinal);
        var id = listed.Split('\n').Single(line => line.Contains("for ci", StringComparison.Ordinal)).Split(' ')[0];

        var env = await _mitos.RunAsync("env");
        Assert.Equal([$"export E2B_API_KEY='{_mitos.Key}'", $"export E2B_API_URL='{_mitos.Url}'", $"export E2B_SANDBOX_URL='{_mitos.Url}'"], env.Ok().Split('\n'));
        Assert.Equal("", env.Errors); // nothing stands between it and eval
        // as E2B's clients ask, with a key that is given
        var asked = await _mitos.ShellAsync($"export MITOS_API_KEY=mitos_{key["e2b_".Length..]}; eval \"$(mitos env)\"; curl -sf -H \"X-API-KEY: $E2B_API_KEY\" $E2B_API_URL/v2/sandboxes");
        Assert.Equal("[]", asked.Ok());

        using (var client = _mitos.Connect())
            await client.CreateTeamAsync(new CreateTeamRequest("red"));
        var red = (await _mitos.RunAsync("keys", "create", "theirs", "--team", "red")).Ok();
        Assert.Matches(@"theirs +red ", (await _mitos.RunAsync("keys", "ls")).Ok());
        Assert.Contains("\"red\"", (await _mitos.ShellAsync($"curl -sf -H 'X-API-KEY: {red}' {_mitos.Url}/teams")).Ok(), StringComparison.Ordinal); // it acts for that team
        (await _mitos.RunAsync("keys", "create", "nobody's", "--team", "blue")).Refused(3, "blue");

        (await _mitos.RunAsync("keys", "rm", "for ci")).Refused(3, "for ci", id); // keys are removed by id
        Assert.Equal(id, (await _mitos.RunAsync("keys", "rm", id)).Ok());
        (await _mitos.RunAsync("keys", "rm", id)).Refused(3, "mitos keys ls");
    }

    [Fact]
    public async Task A_key_expires_when_it_was_said_to_and_its_owner_is_told_so()
    {
        async Task<string> RowAsync(string name) => (await _mitos.RunAsync("keys", "ls")).Ok().Split('\n').Single(line => line.Contains(name, StringComparison.Ordinal));
        foreach (var (name, expires, shown) in new[] { ("a-while", "30d", "in 30d$"), ("a-work-day", "8h", "in 8h$"), ("a-day", "2999-01-31", @"in \d+d$"), ("a-moment", "2999-01-31T18:00", @"in \d+d$"), ("forever", "never", "never$") })
        {
            Assert.Matches("^e2b_", (await _mitos.RunAsync("keys", "create", name, "--expires", expires)).Ok());
            Assert.Matches(shown, await RowAsync(name));
        }
        var listed = JsonDocument.Parse((await _mitos.RunAsync("keys", "ls", "--json")).Ok()).RootElement.EnumerateArray().ToDictionary(key => key.GetProperty("name").GetString()!);
        Assert.Equal(DateTimeOffset.Parse("2999-01-31T00:00Z", CultureInfo.InvariantCulture), listed["a-day"].GetProperty("expiresAt").GetDateTimeOffset());
        Assert.Equal(DateTimeOffset.Parse("2999-01-31T18:00Z", CultureInfo.InvariantCulture), listed["a-moment"].GetProperty("expiresAt").GetDateTimeOffset());
        Assert.False(listed["forever"].TryGetProperty("expiresAt", out _));
        foreach (var wrong in new[] { "soon", "2027-02-30", "31.1.2027", "-1d" })
            (await _mitos.RunAsync("keys", "create", "none", $"--expires={wrong}")).Refused(2, "30d");
        foreach (var past in new[] { "2001-01-01", "0" })
            (await _mitos.RunAsync("keys", "create", "none", "--expires", past)).Refused(2, "--expires is", " UTC, which is past.", "30d", "leave --expires out");
        (await _mitos.RunAsync("keys", "create", "none", "--expires", "2001-01-01T06:30+01:00")).Refused(2, "--expires is 2001-01-01 05:30:00 UTC, which is past.");

        var made = await _mitos.RunAsync("keys", "create", "brief", "--expires", "1s");
        Assert.Contains("it expires at ", made.Errors, StringComparison.Ordinal);
        string answer;
        do
            answer = (await _mitos.ShellAsync($"curl -s -H 'X-API-KEY: {made.Ok()}' {_mitos.Url}/v1/keys")).Ok();
        while (answer.StartsWith('['));
        Assert.Contains("'brief' expired at ", answer, StringComparison.Ordinal);
        Assert.Contains("mitos keys create", answer, StringComparison.Ordinal);
        Assert.Matches(@"expired \d+s ago$", await RowAsync("brief"));
    }

    [Fact]
    public async Task A_shell_completes_what_can_be_paused_resumed_and_forked()
    {
        await _mitos.CreateAsync("--name", "awake");
        await _mitos.CreateAsync("--name", "asleep");
        (await _mitos.RunAsync("pause", "asleep")).Ok();
        (await _mitos.RunAsync("snapshot", "create", "asleep", "--name", "golden")).Ok();
        foreach (var (line, word) in new[] { ("pause a", "awake"), ("resume a", "asleep"), ("snapshot rm g", "golden"), ("fork --snapshot g", "golden"), ("create --snapshot g", "golden") })
            Assert.Equal(word, (await _mitos.RunAsync($"[suggest:{line.Length + 6}]", $"mitos {line}")).Ok());
        (await _mitos.RunAsync("snapshot", "rm", "golden")).Ok();
    }
}
