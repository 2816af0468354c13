using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>What users put beside the content of files: the extended attributes <c>user.e2b.KEY</c>, which setfattr(1) sets as well.</summary>
internal static unsafe class Metadata
{
    private const string Prefix = "user.e2b.";
    private const int MaxNames = 64 << 10, MaxValue = 4096, MaxBytes = 16 << 10;

    /// <summary>By key. Empty where the file or its file system has none.</summary>
    public static Dictionary<string, string> Read(string path, FileKind kind)
    {
        var found = new Dictionary<string, string>();
        if (kind is not (FileKind.File or FileKind.Directory))
            return found; // others cannot have any
        var length = Libc.Llistxattr(path, null, 0);
        if (length is <= 0 or > MaxNames)
            return found;
        var names = new byte[length];
        fixed (byte* data = names)
            length = Libc.Llistxattr(path, data, (nuint)names.Length);
        if (length <= 0)
            return found; // changed meanwhile
        var bytes = 0;
        var value = stackalloc byte[MaxValue];
        foreach (var name in Encoding.UTF8.GetString(names, 0, (int)length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            var size = (int)Libc.Lgetxattr(path, name, value, MaxValue);
            if (size < 0 || (bytes += name.Length + size) > MaxBytes)
                continue; // gone since, or longer than any that can be set through the host
            found[name[Prefix.Length..]] = Encoding.UTF8.GetString(value, size);
        }
        return found;
    }

    /// <exception cref="AgentError">Exhausted: more than fits. FailedPrecondition: the file system has no such thing.</exception>
    public static void Set(string path, Dictionary<string, string> metadata)
    {
        foreach (var (key, text) in metadata)
        {
            var value = Encoding.UTF8.GetBytes(text);
            fixed (byte* data = value)
            {
                if (Libc.Lsetxattr(path, Prefix + key, data, (nuint)value.Length, 0) != 0)
                    throw AgentError.FromLastError($"set the metadata '{key}'");
            }
        }
    }
}
