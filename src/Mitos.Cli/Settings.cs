namespace Mitos.Cli;

/// <summary>Where the daemon is, from the environment.</summary>
internal static class Settings
{
    public static string StateDirectory => Get("MITOS_STATE", "/var/lib/mitos");

    public static string RunDirectory => Get("MITOS_RUN", "/run/mitos");

    /// <summary>Whether MITOS_URL names a daemon behind HTTP.</summary>
    public static bool IsRemote => Url is not null;

    /// <summary>The daemon's address, for people.</summary>
    public static string Where => Url ?? Socket;

    /// <summary>Directory with the programs.</summary>
    public static string Programs => Get("MITOS_BIN", AppContext.BaseDirectory);

    public static string Daemon => Path.Combine(Programs, "mitosd", "mitosd");

    private static string Socket => Path.Combine(RunDirectory, "mitosd.sock");

    /// <summary>Address of a daemon behind HTTP; null: this machine's.</summary>
    public static string? Url => Environment.GetEnvironmentVariable("MITOS_URL") is { Length: > 0 } url ? url : null;

    /// <summary>A client of the daemon: MITOS_URL with MITOS_API_KEY, or the local socket.</summary>
    /// <exception cref="ArgumentException">MITOS_URL is no address.</exception>
    public static Client.MitosClient Connect()
    {
        if (Url is not { } url)
            return Client.MitosClient.Local(Socket);
        return Uri.TryCreate(url, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? Client.MitosClient.Remote(address, Environment.GetEnvironmentVariable("MITOS_API_KEY") ?? "")
            : throw new ArgumentException($"MITOS_URL, '{url}', is no address such as http://127.0.0.1:7070.");
    }

    /// <summary>Where a daemon of this machine writes its first key.</summary>
    public static string KeyFile => Path.Combine(StateDirectory, "api-key");

    /// <summary>MITOS_API_KEY, else the first key of this machine's daemon; null: neither is known.</summary>
    public static string? ReadKey()
    {
        if (Environment.GetEnvironmentVariable("MITOS_API_KEY") is { Length: > 0 } given)
            return given;
        try
        {
            return IsRemote ? null : File.ReadAllText(KeyFile).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Get(string variable, string fallback) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? Path.GetFullPath(value) : fallback;
}
