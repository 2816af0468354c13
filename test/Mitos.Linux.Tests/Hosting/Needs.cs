namespace Mitos.Linux.Tests.Hosting;

/// <summary>What a test cannot do without. Without it the case is left out and said to be; `./mitos test` runs as root, so that there none is.</summary>
internal static class Needs
{
    public static void Root(string why) =>
        Assert.SkipUnless(Environment.IsPrivilegedProcess, $"This test needs root: {why}. Run `sudo ./mitos test`.");
}
