using Mitos.Guest.Native;

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
        if (IsEmpty(folder))
            return [];
        var found = Directory.GetFiles(folder);
        Array.Sort(found, StringComparer.Ordinal);
        return Array.FindAll(found, path => (File.GetUnixFileMode(path) & UnixFileMode.UserExecute) != 0);
    }

    // By hand, for what the library does to list a directory is much code to run cold.
    private static unsafe bool IsEmpty(string folder)
    {
        var fd = Libc.Open(folder, 0x10000 | 0x80000 /* O_DIRECTORY | O_CLOEXEC */, 0);
        if (fd < 0)
            return true;
        var entries = stackalloc byte[512];
        var length = Libc.Syscall(217 /* getdents64 */, fd, (nint)entries, 512, 0, 0);
        _ = Libc.Close(fd);
        var count = 0;
        for (nint at = 0; at < length; at += *(ushort*)(entries + at + 16))
            count++;
        return count <= 2; // . and ..
    }
}
