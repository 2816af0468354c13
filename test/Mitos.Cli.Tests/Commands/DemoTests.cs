using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>What a newcomer sees first.</summary>
public sealed class DemoTests(MitosFixture fixture)
{
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task The_demo_shows_eight_children_in_plain_lines_of_80_columns_and_cleans_up()
    {
        var demo = await _mitos.RunAsync("demo");
        var lines = demo.Ok().Split('\n');
        Assert.All(lines.Concat(demo.Errors.Split('\n')).Where(line => line.Contains("──", StringComparison.Ordinal)), line => Assert.True(line.Length <= 80, line));
        Assert.Equal(8, lines.Count(line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^[├└]── i\w{20} +\d+ +\d+ +\d+\.\d  0\.\d{3}  \S")));
        Assert.Single(lines, line => line.EndsWith("<- best", StringComparison.Ordinal));
        Assert.DoesNotContain("\u001b", demo.Output + demo.Errors, StringComparison.Ordinal);
        Assert.Matches(@"forked: \d+ times faster", lines[^1]);
        Assert.Contains("all sandboxes of the demo are removed", demo.Errors, StringComparison.Ordinal);
        _mitos.Look().RequireMachines(0);
        await _mitos.DaemonPidAsync(); // it ran before, so it runs on
    }

    [Fact]
    public async Task A_demo_that_is_interrupted_cleans_up_too()
    {
        await using var demo = _mitos.Start("demo", "--json");
        await demo.AwaitErrorAsync("1/4");
        await Task.Delay(3000);
        demo.Signal(Running.Interrupt);
        var result = await demo.EndAsync();
        Assert.Equal(130, result.Code);
        Assert.Contains("all sandboxes of the demo are removed", result.Errors, StringComparison.Ordinal);
        _mitos.Look().RequireMachines(0);
    }
}
