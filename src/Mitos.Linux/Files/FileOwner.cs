using System.Globalization;
using Mitos.Linux.Abi;

namespace Mitos.Linux.Files;

/// <summary>Who may use a file.</summary>
public static class FileOwner
{
    private const string Kvm = "/dev/kvm";

    /// <summary>Whether a user that is not root can have /dev/kvm: its group, or everybody, may read and write it.</summary>
    public static bool IsKvmShared() =>
        File.Exists(Kvm) && (KvmAllows(UnixFileMode.OtherRead | UnixFileMode.OtherWrite) || (KvmAllows(UnixFileMode.GroupRead | UnixFileMode.GroupWrite) && KvmGroup() is not null));

    /// <summary>Gives a file to a user and the group of that number.</summary>
    /// <exception cref="LinuxException">ENOENT, EPERM.</exception>
    public static void Set(string path, int userId)
    {
        if (Libc.Chown(path, (uint)userId, (uint)userId) != 0)
            throw LinuxException.FromLastError("chown", path);
    }

    /// <summary>The group <c>kvm</c>, for a process that is to use /dev/kvm; null when anybody may, or there is no such group.</summary>
    public static int? KvmGroup()
    {
        if (!File.Exists(Kvm) || KvmAllows(UnixFileMode.OtherRead | UnixFileMode.OtherWrite) || !File.Exists("/etc/group"))
            return null;
        var line = File.ReadLines("/etc/group").FirstOrDefault(line => line.StartsWith("kvm:", StringComparison.Ordinal));
        return line?.Split(':') is [_, _, var id, ..] && int.TryParse(id, CultureInfo.InvariantCulture, out var group) ? group : null;
    }

    private static bool KvmAllows(UnixFileMode mode) => (File.GetUnixFileMode(Kvm) & mode) == mode;
}
