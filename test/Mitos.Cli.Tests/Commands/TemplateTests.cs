using System.Text.Json;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>template build, ls, publish, unpublish, rm.</summary>
public sealed class TemplateTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;
    private readonly string _here = Directory.CreateTempSubdirectory("mitos-e2e-").FullName;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _mitos.RemoveAllAsync();
        Directory.Delete(_here, recursive: true);
    }

    [Fact]
    public async Task A_template_is_built_in_a_machine_and_frozen_while_it_runs()
    {
        Directory.CreateDirectory($"{_here}/site");
        File.WriteAllText($"{_here}/site/page", "copied");
        string[] build =
        [
            "template", "build", "web", "--from", "base", "--copy", $"{_here}/site:/srv/www", "--run", "echo ran >> /srv/www/page; id -un", "--env", "FLAVOUR=mint",
            "--start", "cd /srv/www && exec python3 -m http.server 8000 --bind 127.0.0.1", "--ready", "curl -sf http://127.0.0.1:8000/page",
        ];
        var built = await _mitos.RunAsync(build);
        Assert.StartsWith("web: ", built.Ok(), StringComparison.Ordinal);
        Assert.Equal(["[1/4] copy", "[2/4] run", "[3/4] start", "[4/4] ready"], built.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(':')[0]));
        Assert.Contains("nothing has changed", (await _mitos.RunAsync(build)).Errors, StringComparison.Ordinal);
        var id = await _mitos.CreateAsync("--template", "web");
        Assert.Equal("copiedran mint", await _mitos.InAsync(id, "echo $(curl -s http://127.0.0.1:8000/page) $FLAVOUR"));
        Assert.Matches(@"web +base +1 +512 +\d+\.\d +\d+\.\d +\d+s +1", (await _mitos.RunAsync("template", "ls")).Ok());
        Assert.Matches(@"(?m)^web .* yes$", (await _mitos.RunAsync("template", "ls")).Ok()); // the operator's are for all
        Assert.Equal("web", (await _mitos.RunAsync("template", "unpublish", "web")).Ok());
        Assert.Matches(@"(?m)^web .* no$", (await _mitos.RunAsync("template", "ls")).Ok());
        (await _mitos.RunAsync("template", "publish", "webb")).Refused(3, "webb", "web");
        var published = await _mitos.RunAsync("template", "publish", "web", "webb", "--json");
        Assert.Equal((7, true, "not_found"), (published.Code, JsonDocument.Parse(published.Output).RootElement[0].GetProperty("template").GetProperty("public").GetBoolean(),
            JsonDocument.Parse(published.Output).RootElement[1].GetProperty("error").GetProperty("code").GetString()));
        (await _mitos.RunAsync("template", "rm", "web")).Refused(4, "1 sandbox", "mitos ls");
        (await _mitos.RunAsync("create", "--template", "web", "--memory", "1024")).Refused(4, "512 MiB", "mitos template build web");
        (await _mitos.RunAsync("template", "rm", "base")).Refused(4, "web", "mitos template rm web");
        (await _mitos.RunAsync("rm", id)).Ok();
        (await _mitos.RunAsync("template", "rm", "web")).Ok();
    }

    [Fact]
    public async Task A_step_that_fails_is_named_with_what_it_said_and_leaves_nothing()
    {
        (await _mitos.RunAsync("template", "build", "broken", "--run", "true", "--run", "echo the reason >&2; exit 3")).Refused(1, "Step 2", "ended with 3, after\n    the reason\n", "build again");
        (await _mitos.RunAsync("template", "build", "broken", "--run", "exit 9")).Refused(1, "ended with 9, and said nothing");
        RequireOnlyBase(await _mitos.RunAsync("template", "ls", "--json"));
    }

    [Fact]
    public async Task A_build_that_is_interrupted_leaves_nothing()
    {
        await using (var build = _mitos.Start("template", "build", "broken", "--run", "sleep 1000"))
        {
            await build.AwaitErrorAsync("sleep 1000");
            build.Signal(Running.Interrupt);
            Assert.Equal(130, (await build.EndAsync()).Code);
        }
        RequireOnlyBase(await _mitos.RunAsync("template", "ls", "--json"));
        (await _mitos.RunAsync("template", "rm", "broken")).Refused(3, "broken");
    }

    [Fact]
    public async Task What_cannot_be_copied_is_refused_before_anything_is_built()
    {
        (await _mitos.RunAsync("template", "build", "x", "--copy", $"{_here}/missing:/srv")).Refused(3, $"{_here}/missing");
        (await _mitos.RunAsync("template", "build", "x", "--copy", _here)).Refused(2, "SOURCE:DIRECTORY");
        (await _mitos.RunAsync("template", "build", "x", "--copy", $"{_here}:relative")).Refused(2, "SOURCE:DIRECTORY");
        using (var large = File.Create($"{_here}/large"))
            large.SetLength(2L << 30);
        (await _mitos.RunAsync("template", "build", "x", "--copy", $"{_here}/large:/srv")).Refused(2, "2048 MiB", "--run");
        RequireOnlyBase(await _mitos.RunAsync("template", "ls", "--json"));
    }

    // The build's machine is gone when the daemon has noticed that its client is.
    private void RequireOnlyBase(Result templates)
    {
        Assert.Equal(["base"], templates.Json().EnumerateArray().Select(template => template.Text("name")));
        Patience.Until(() => !_mitos.Look().HasMachines, "the machine of the build is still there");
        _mitos.Look().RequireMachines(0);
    }
}
