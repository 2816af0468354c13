namespace Mitos.Server.Tests.Host;

public sealed class DiskOptionTests
{
    [Fact]
    public void A_sandbox_may_use_the_whole_disk_unless_it_is_said()
    {
        var engine = ServerOptions.Parse([]).Engine;
        Assert.Equal((0, 0), (engine.DiskMiBPerSecond, engine.DiskOperationsPerSecond));
        engine = ServerOptions.Parse(["--disk-rate", "200", "--disk-ops", "5000"]).Engine;
        Assert.Equal((200, 5000), (engine.DiskMiBPerSecond, engine.DiskOperationsPerSecond));
    }

    [Theory]
    [InlineData("--disk-rate", "-1")]
    [InlineData("--disk-rate", "200M")]
    [InlineData("--disk-ops", "1.5")]
    public void A_rate_that_is_no_whole_number_is_refused(string option, string value) =>
        Assert.Contains($"{option} must be a whole number", Assert.Throws<ArgumentException>(() => ServerOptions.Parse([option, value])).Message, StringComparison.Ordinal);
}
