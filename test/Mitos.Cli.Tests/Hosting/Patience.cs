namespace Mitos.Cli.Tests.Hosting;

/// <summary>Waits for what happens in its own time. The limit is against hanging.</summary>
public static class Patience
{
    public static void Until(Func<bool> condition, string otherwise)
    {
        var until = DateTime.UtcNow + TimeSpan.FromMinutes(1);
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < until, otherwise);
            Thread.Sleep(50);
        }
    }
}
