using System.Globalization;
using Mitos.Linux.Abi;

namespace Mitos.Linux.Files;

/// <summary>Who may use a file.</summary>
public static class FileOwner
{
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
        const string Device = "/dev/kvm";
        const UnixFileMode Anybody = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!File.Exists(Device) || (File.GetUnixFileMode(Device) & Anybody) == Anybody || !File.Exists("/etc/group"))
            return null;
        var line = File.ReadLines("/etc/group").FirstOrDefault(line => line.StartsWith("kvm:", StringComparison.Ordinal));
        return line?.Split(':') is [_, _, var id, ..] && int.TryParse(id, CultureInfo.InvariantCulture, out var group) ? group : null;
    }
}
