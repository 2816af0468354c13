using System.Text.Json;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>What a newcomer sees first.</summary>
public sealed class DemoTests(MitosFixture fixture)
{
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task The_demo_shows_eight_children_in_plain_lines_of_80_columns_or_as_JSON_and_cleans_up()
    {
        await using var other = _mitos.Start("demo", "--json"); // beside the other, for it takes half a minute
        var demo = await _mitos.RunAsync("demo");
        RequireEightChildren((await other.EndAsync()).Json());
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

    private static void RequireEightChildren(JsonElement seen)
    {
        var children = seen.GetProperty("children").EnumerateArray().ToList();
        Assert.Equal(Enumerable.Range(0, 8), children.Select(child => child.GetProperty("index").GetInt32()));
        Assert.Distinct(children.Select(child => child.Text("id")).Append(seen.Text("source")));
        Assert.Distinct(children.Select(child => child.Text("strategy")));
        var best = Assert.Single(children, child => child.GetProperty("best").GetBoolean());
        Assert.Equal(children.Max(child => child.GetProperty("score").GetDouble()), best.GetProperty("score").GetDouble());
        Assert.All(children, child => Assert.All(["readyUs", "firstCommandUs", "generationBytes"], name => Assert.True(child.GetProperty(name).GetInt64() > 0, name)));
        Assert.All(children.Append(seen), one => Assert.True(one.GetProperty(one.TryGetProperty("memory", out _) ? "memory" : "sourceMemory").GetProperty("privateBytes").GetInt64() > 0));
        Assert.True(seen.GetProperty("fork").GetProperty("pauseUs").GetInt64() > 0);
        Assert.True(seen.GetProperty("warmUpSeconds").GetDouble() > 0);
    }
}
