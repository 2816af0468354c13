using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Tests.Errors;

namespace Mitos.Engine.Tests.Sandboxes;

public sealed class SandboxRulesTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("a")]
    [InlineData("0")]
    [InlineData("My.first_box-2")]
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890")] // 63
    public void Names_that_are_possible(string? name) => SandboxRules.CheckName(name, "sandbox");

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("-a")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("_a")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a@b")]
    [InlineData("a\n")]
    [InlineData("\na")]
    [InlineData("a\0")]
    [InlineData("ä")]
    [InlineData("١")] // a digit, elsewhere
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012345678901")] // 64
    public void Names_that_are_not(string name)
    {
        foreach (var kind in (string[])["sandbox", "template"])
            Assert.Contains(kind, Refusal.Check(ErrorCode.InvalidArgument, $"'{name}'", () => SandboxRules.CheckName(name, kind)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_could_be_an_id_is_none_for_a_sandbox_and_one_for_a_template()
    {
        var id = SandboxId.New().ToString();
        Refusal.Check(ErrorCode.InvalidArgument, id, () => SandboxRules.CheckName(id, "sandbox"));
        SandboxRules.CheckName(id, "template");
    }

    [Fact]
    public void A_long_name_is_not_repeated_in_full()
    {
        var error = Refusal.Check(ErrorCode.InvalidArgument, "xxx…", () => SandboxRules.CheckName(new string('x', 100_000), "sandbox"));
        Assert.InRange(error.Message.Length, 80, 200);
    }

    [Fact]
    public void Environments_that_are_possible()
    {
        SandboxRules.CheckEnvironment(new Dictionary<string, string>());
        SandboxRules.CheckEnvironment(new Dictionary<string, string> { ["A"] = "", ["ä b"] = "=\n✓", [new string('K', 256)] = new string('v', 32 << 10) });
        SandboxRules.CheckEnvironment(Enumerable.Range(0, 256).ToDictionary(i => $"V{i}", _ => "x"));
    }

    [Theory]
    [InlineData("", "x")]
    [InlineData("A=B", "x")]
    [InlineData("A\0", "x")]
    [InlineData("A", "x\0")]
    [InlineData("A", null)]
    public void Variables_that_are_not(string key, string? value) =>
        Refusal.Check(ErrorCode.InvalidArgument, $"'{key}'", () => SandboxRules.CheckEnvironment(new Dictionary<string, string> { [key] = value! }));

    [Fact]
    public void Environments_that_are_too_large()
    {
        Refusal.Check(ErrorCode.InvalidArgument, "KKK…", () => SandboxRules.CheckEnvironment(new Dictionary<string, string> { [new string('K', 257)] = "" }));
        Refusal.Check(ErrorCode.InvalidArgument, "environment has 49153 bytes", () => SandboxRules.CheckEnvironment(new Dictionary<string, string> { ["A"] = new('v', 48 << 10) }));
        Refusal.Check(ErrorCode.InvalidArgument, "257", () => SandboxRules.CheckEnvironment(Enumerable.Range(0, 257).ToDictionary(i => $"V{i}", _ => "x")));
    }

    [Theory]
    [InlineData(null, null, true)]
    [InlineData(1, 128, true)]
    [InlineData(32, 65536, true)]
    [InlineData(0, null, false)]
    [InlineData(33, null, false)]
    [InlineData(-1, null, false)]
    [InlineData(int.MinValue, null, false)]
    [InlineData(null, 127, false)]
    [InlineData(null, 65537, false)]
    [InlineData(null, int.MaxValue, false)]
    public void Shapes_are_within_their_bounds(int? cpuCount, int? memoryMiB, bool possible)
    {
        if (possible)
            SandboxRules.CheckShape(cpuCount, memoryMiB);
        else
            Refusal.Check(ErrorCode.InvalidArgument, $" {cpuCount ?? memoryMiB} ", () => SandboxRules.CheckShape(cpuCount, memoryMiB));
    }
}
