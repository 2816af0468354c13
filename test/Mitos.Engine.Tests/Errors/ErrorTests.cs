using System.Text.RegularExpressions;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Tests.Errors;

/// <summary>That an error is given a message and a remedy the compiler sees to. What they say is tested where they are thrown, with <see cref="Refusal"/>.</summary>
public sealed partial class ErrorTests
{
    [Fact]
    public void No_error_has_an_empty_remedy()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "Mitos.slnx")))
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException($"No checkout of Mitos is above {AppContext.BaseDirectory}.");
        var files = Directory.GetFiles(Path.Combine(root, "src"), "*.cs", SearchOption.AllDirectories);
        Assert.True(files.Sum(file => Throws().Count(File.ReadAllText(file))) > 40);
        Assert.DoesNotContain(files, file => EmptyRemedies().IsMatch(File.ReadAllText(file)));
    }

    [Fact]
    public void The_short_forms_carry_all_they_were_given()
    {
        var invalid = SandboxException.Invalid("A is wrong.", "Use B.");
        Assert.Equal((ErrorCode.InvalidArgument, "A is wrong.", "Use B."), (invalid.Code, invalid.Message, invalid.Remedy));
        var missing = SandboxException.NotFound("template", "x", "`mitos template ls`.");
        Assert.Equal((ErrorCode.NotFound, "There is no template 'x'.", "`mitos template ls`."), (missing.Code, missing.Message, missing.Remedy));
    }

    [GeneratedRegex(@"new SandboxException\(|SandboxException\.(?:Invalid|NotFound)\(")]
    private static partial Regex Throws();

    [GeneratedRegex("(?:new SandboxException|SandboxException\\.(?:Invalid|NotFound))\\([^;]*, \"\\s*\"[,)]")]
    private static partial Regex EmptyRemedies();
}
