namespace Mitos.Linux.Tests.Hosting;

/// <summary>What a test cannot do without. It fails, and says what is missing: a case that is left out in silence looks like one that passed.</summary>
internal static class Needs
{
    public static void Root(string why) =>
        Assert.True(Environment.IsPrivilegedProcess, $"This test needs root: {why}. Run `sudo ./mitos test`.");
}
