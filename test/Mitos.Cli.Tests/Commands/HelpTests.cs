using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>The texts of help.</summary>
public sealed class HelpTests(MitosFixture fixture)
{
    private const int Widest = 120;
    private readonly Installation _mitos = fixture.Mitos;

    [Fact]
    public async Task Help_names_every_command_the_exit_codes_and_the_environment()
    {
        var help = (await _mitos.RunAsync("help")).Ok();
        foreach (var command in new[] { "up", "down", "status", "create", "exec", "fork", "tree", "pause", "resume", "snapshot", "keys", "env", "ls", "inspect", "cp", "logs", "top", "rm", "template", "doctor", "bench", "completion", "demo" })
            Assert.Contains($"\n  {command} ", help, StringComparison.Ordinal);
        foreach (var code in new[] { "0", "1", "2", "3", "4", "5", "6", "7", "130" })
            Assert.Contains($"\n  {code} ", help[help.IndexOf("Exit codes:", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Contains("MITOS_URL", help, StringComparison.Ordinal);
        Assert.Equal(help, (await _mitos.RunAsync()).Ok()); // nothing typed, nothing assumed
        Assert.Equal(help, (await _mitos.RunAsync("--help")).Ok());
        Assert.Matches(@"^\d+\.\d+\.\d+", (await _mitos.RunAsync("--version")).Ok());
    }

    [Theory]
    [InlineData("")]
    [InlineData("up")]
    [InlineData("down")]
    [InlineData("status")]
    [InlineData("create")]
    [InlineData("exec")]
    [InlineData("fork")]
    [InlineData("pause")]
    [InlineData("resume")]
    [InlineData("snapshot")]
    [InlineData("snapshot create")]
    [InlineData("snapshot ls")]
    [InlineData("snapshot rm")]
    [InlineData("keys")]
    [InlineData("keys ls")]
    [InlineData("keys create")]
    [InlineData("keys rm")]
    [InlineData("env")]
    [InlineData("tree")]
    [InlineData("ls")]
    [InlineData("inspect")]
    [InlineData("cp")]
    [InlineData("logs")]
    [InlineData("top")]
    [InlineData("rm")]
    [InlineData("template")]
    [InlineData("template build")]
    [InlineData("template ls")]
    [InlineData("template publish")]
    [InlineData("template unpublish")]
    [InlineData("template rm")]
    [InlineData("doctor")]
    [InlineData("bench")]
    [InlineData("completion")]
    [InlineData("demo")]
    public async Task Help_describes_every_option_and_argument_in_lines_that_can_be_read(string command)
    {
        var words = command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var help = await _mitos.RunAsync([.. words, "--help"]);
        Assert.Equal(help.Ok(), (await _mitos.RunAsync(["help", .. words])).Ok());
        Assert.Contains($"  mitos{(command.Length > 0 ? " " + command : "")} ", help.Output + " ", StringComparison.Ordinal);
        Assert.All(help.Lines, line => Assert.True(line.Length <= Widest, $"{line.Length} columns: {line}"));
        var listed = help.Lines.Where(line => line.StartsWith("  -", StringComparison.Ordinal) || line.StartsWith("  <", StringComparison.Ordinal)).ToList();
        Assert.Contains(listed, line => line.Contains("--json", StringComparison.Ordinal));
        // two blanks part what it is from what it does
        Assert.All(listed, line => Assert.Matches(@"^  (-|<)\S.*\S {2,}[A-Z~N].{3,}$", line));
    }
}
