using Mitos.Cli.Tests.Hosting;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Tests.Commands;

/// <summary>What nobody should type, and somebody will.</summary>
public sealed class BadInputTests(MitosFixture fixture) : IAsyncLifetime
{
    private static readonly string Long = new('x', 5000);
    private readonly Installation _mitos = fixture.Mitos;
    private string _id = "";

    public async ValueTask InitializeAsync() => _id = await _mitos.CreateAsync("--name", "dev");

    public async ValueTask DisposeAsync()
    {
        Assert.Equal("well", await _mitos.InAsync(_id, "echo well"));
        await _mitos.RemoveAllAsync();
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("101")]
    [InlineData("2147483647")]
    public async Task Counts_that_cannot_be_are_refused(string count)
    {
        (await _mitos.RunAsync("fork", "dev", "--count", count)).Refused(2, count, "1 to 100");
        _mitos.Look().RequireMachines(1);
    }

    [Fact]
    public async Task Command_lines_that_cannot_be_are_refused_with_what_was_meant()
    {
        (await _mitos.RunAsync("exce", "dev")).Refused(2, "exce", "Did you mean 'exec'?");
        (await _mitos.RunAsync("create", "--tempalte", "base")).Refused(2, "--tempalte", "Did you mean '--template'?");
        (await _mitos.RunAsync("fork", "dev", "--count", "many")).Refused(2, "'many' is no whole number", "--count", "mitos fork --help");
        (await _mitos.RunAsync("fork", "dev", "--count", "99999999999")).Refused(2, "99999999999", "mitos fork --help");
        (await _mitos.RunAsync("fork")).Refused(2, "ID", "mitos fork --help");
        (await _mitos.RunAsync("template")).Refused(2, "mitos template --help");
        (await _mitos.RunAsync("rm")).Refused(2, "--all");
        (await _mitos.RunAsync("rm", "dev", "--all")).Refused(2, "--all");
        (await _mitos.RunAsync("create", "--env", "NOVALUE")).Refused(2, "NOVALUE", "NAME=VALUE");
        (await _mitos.RunAsync("create", "--cpu", "0")).Refused(2, "0 cpus", "1 to 32");
        (await _mitos.RunAsync("create", "--memory", "1")).Refused(2, "1 MiB", "128 to 65536");
        if (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes < 65536L << 20) // on a host that has it, it is made
            (await _mitos.RunAsync("create", "--memory", "65536")).Refused(5, "65536 MiB", "does not fit this host");
        (await _mitos.RunAsync("top", "--interval", "x")).Refused(2, "'x' is no number", "--interval");
        (await _mitos.RunAsync("help", "frok")).Refused(2, "frok", "Did you mean 'fork'?");
        (await _mitos.RunAsync("help", "snapshot", "bogus")).Refused(2, "bogus", "mitos snapshot --help");
        (await _mitos.RunAsync("top", "--interval", "0")).Refused(2, "--interval", "0.2");
        (await _mitos.RunAsync("completion", "tcsh")).Refused(2, "tcsh");
    }

    [Fact]
    public async Task Unknown_ids_and_templates_are_not_found_whatever_they_look_like()
    {
        foreach (var id in new[] { "nosuch", "../../etc/passwd", "a/b", "%2e%2e", "dev?x", "dev#", "é", "\n", " ", "*", Long })
        {
            (await _mitos.RunAsync("inspect", id)).Refused(3, "no sandbox");
            (await _mitos.RunAsync("exec", id, "--", "true")).Refused(125, "no sandbox");
            (await _mitos.RunAsync("create", "--template", id)).Refused(3, "no template");
        }
        Assert.NotEqual(0, (await _mitos.RunAsync("inspect", "")).Code);
        (await _mitos.RunAsync("create", "--template", "bsae")).Refused(3, "bsae", "Did you mean 'base'?");
        (await _mitos.RunAsync("template", "rm", "bsae")).Refused(3, "bsae", "Did you mean 'base'?");
        (await _mitos.RunAsync("template", "build", "x", "--from", "bsae")).Refused(3, "bsae", "Did you mean 'base'?");
        (await _mitos.RunAsync("create", "--name=")).Refused(2, "--name", "mitos create --help");
        foreach (var name in new[] { "../x", "a b", "-x", Long, "x\n" })
        {
            (await _mitos.RunAsync("create", $"--name={name}")).Refused(2, "cannot be the name", "letters");
            (await _mitos.RunAsync("template", "build", "--run", "true", "--", name)).Refused(2, "letters");
        }
        _mitos.Look().RequireMachines(1);
    }

    [Fact]
    public async Task Paths_with_dots_reach_what_they_name_and_no_more_than_the_user_may()
    {
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:../../etc/planted")).Refused(4, "Permission denied");
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:/tmp/../tmp/./a")).Ok();
        Assert.Equal("/tmp/a", await _mitos.InAsync(_id, "ls /tmp/a"));
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:/../../../../../tmp/b")).Ok(); // the root's parent is the root, and the sandbox's
        Assert.Equal("/tmp/b", await _mitos.InAsync(_id, "ls /tmp/b"));
    }

    [Fact]
    public async Task Paths_that_are_too_long_or_have_a_NUL_are_refused()
    {
        (await _mitos.RunAsync("cp", "/etc/hostname", $"dev:/tmp/{Long}")).Refused(2, "A path of 50");
        (await _mitos.RunAsync("cp", $"dev:/tmp/{Long}", "/tmp")).Refused(2, "A path of 50");
        (await _mitos.RunAsync("cp", $"/tmp/{Long}", "dev:/tmp/x")).Refused(1, "too long");
        (await _mitos.RunAsync("exec", "-w", $"/{Long}", "dev", "--", "true")).Refused(125, "too long");
        using var client = _mitos.Connect(); // a command line cannot hold a NUL
        var refused = await Assert.ThrowsAsync<MitosException>(() => client.StatAsync(_id, "/tmp/a\0b"));
        Assert.Equal(ErrorCodes.InvalidArgument, refused.Code);
        Assert.Contains("NUL", refused.Message, StringComparison.OrdinalIgnoreCase);
        refused = await Assert.ThrowsAsync<MitosException>(() => client.ExecAsync(_id, new ExecRequest { Argv = ["printf", "a\0b"] }));
        Assert.Equal(ErrorCodes.InvalidArgument, refused.Code);
    }
}
