using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Files;

/// <summary>Paths as the host sends them.</summary>
internal static class GuestPath
{
    private const int MaxBytes = 4096;

    /// <summary>An absolute path; <c>~</c> and relative ones begin at the user's home.</summary>
    /// <exception cref="AgentError">InvalidArgument.</exception>
    public static string Resolve(string path, Account account)
    {
        if (path.Length == 0)
            throw AgentError.Invalid("A path is missing");
        if (path.Contains('\0'))
            throw AgentError.Invalid("A path cannot have NUL bytes");
        if (global::System.Text.Encoding.UTF8.GetByteCount(path) >= MaxBytes)
            throw AgentError.Invalid($"A path of {path.Length} characters is too long; at most {MaxBytes - 1} bytes are possible");
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal))
            path = account.Home + path[1..];
        return Path.GetFullPath(path, account.Home);
    }
}
