namespace Mitos.Server.Tests;

/// <summary>The checkout that the tests run from.</summary>
internal static class Checkout
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string directory) => File.Exists(Path.Combine(directory, "Mitos.slnx"))
        ? directory : Find(Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("the tests do not run from a checkout"));
}
