namespace Mitos.Cli;

/// <summary>Where the daemon is, from the environment.</summary>
internal static class Settings
{
    public static string StateDirectory => Get("MITOS_STATE", "/var/lib/mitos");

    public static string RunDirectory => Get("MITOS_RUN", "/run/mitos");

    public static string Socket => Path.Combine(RunDirectory, "mitosd.sock");

    /// <summary>Directory with the programs.</summary>
    public static string Programs => Get("MITOS_BIN", AppContext.BaseDirectory);

    public static string Daemon => Path.Combine(Programs, "mitosd", "mitosd");

    /// <summary>A client of the daemon: MITOS_URL with MITOS_API_KEY, or the local socket.</summary>
    public static Client.MitosClient Connect() =>
        Environment.GetEnvironmentVariable("MITOS_URL") is { Length: > 0 } url
            ? Client.MitosClient.Remote(new Uri(url), Environment.GetEnvironmentVariable("MITOS_API_KEY") ?? "")
            : Client.MitosClient.Local(Socket);

    private static string Get(string variable, string fallback) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? Path.GetFullPath(value) : fallback;
}
