namespace Mitos.Guest.Forks;

/// <summary>
/// The executables in <c>/etc/mitos/fork.d</c>, which renew what programs keep to themselves: generators, caches, identities.
/// They run one after the other, by name, before the machine is handed out.
/// </summary>
internal static class ForkHooks
{
    public const string Folder = "/etc/mitos/fork.d";

    /// <summary>Longest time of one hook.</summary>
    public const int TimeoutMs = 5000;

    /// <summary>The hooks in order; empty when there are none, which is what most machines have.</summary>
    public static string[] Find(string root)
    {
        var folder = root + Folder;
        if (!Directory.Exists(folder))
            return [];
        var found = Directory.GetFiles(folder);
        Array.Sort(found, StringComparer.Ordinal);
        return Array.FindAll(found, path => (File.GetUnixFileMode(path) & UnixFileMode.UserExecute) != 0);
    }
}
