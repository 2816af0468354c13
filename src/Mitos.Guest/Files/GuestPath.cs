using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Files;

/// <summary>Paths as the host sends them.</summary>
internal static class GuestPath
{
    private const int MaxBytes = 4096, MaxLinks = 40;

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

    /// <summary>Where a link leads in the end, whether or not there is anything; else the path itself.</summary>
    /// <exception cref="AgentError">FailedPrecondition: it leads in a circle.</exception>
    public static string Follow(string path)
    {
        var at = path;
        for (var links = 0; FileStat.TryRead(at, follow: false, out var stat) && stat.Kind == Protocol.Messages.FileKind.Link; links++)
        {
            if (links == MaxLinks)
                throw AgentError.From(Native.Errno.ELOOP, $"'{path}'");
            at = Path.GetFullPath(stat.LinkTarget, Path.GetDirectoryName(at) ?? "/");
        }
        return at;
    }
}
