[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Mitos.EndToEnd.Hosting;

/// <summary>The built programs that are tested.</summary>
internal static class Programs
{
    /// <summary>As <c>./mitos build</c> leaves them.</summary>
    public static string Directory { get; } = Environment.GetEnvironmentVariable("MITOS_BIN")
        ?? throw new InvalidOperationException("MITOS_BIN must name the directory of mitos and mitosd; `./mitos test` sets it.");

    public static string Cli => Path.Combine(Directory, "mitos");

    public static string Daemon => Path.Combine(Directory, "mitosd", "mitosd");
}
