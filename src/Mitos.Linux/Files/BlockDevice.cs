using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Fcntl;

namespace Mitos.Linux.Files;

/// <summary>The disk that a directory's files lie on.</summary>
public static partial class BlockDevice
{
    /// <summary>Its number, <c>major:minor</c>: of the whole disk, for controllers of cgroups limit no partitions. Null where there is none: tmpfs, overlays, network file systems.</summary>
    /// <param name="directory">Absolute; of one that is not there, where it would be.</param>
    public static string? Of(string directory) => Of(ReadMountId(directory), File.ReadLines("/proc/self/mountinfo"), "/sys");

    /// <param name="mountId">Of the mount that the directory is in.</param>
    /// <param name="mounts">As in /proc/self/mountinfo.</param>
    /// <param name="sys">Where sysfs is.</param>
    internal static string? Of(int mountId, IEnumerable<string> mounts, string sys)
    {
        var prefix = string.Create(CultureInfo.InvariantCulture, $"{mountId} ");
        var fields = mounts.FirstOrDefault(line => line.StartsWith(prefix, StringComparison.Ordinal))?.Split(' ') ?? [];
        if (fields.Length < 10)
            return null;
        var number = fields[2];
        if (number.StartsWith("0:", StringComparison.Ordinal)) // a file system with numbers of its own, such as btrfs: its first disk
        {
            var source = fields[Array.IndexOf(fields, "-") + 2];
            if (!source.StartsWith("/dev/", StringComparison.Ordinal))
                return null;
            var name = File.Exists(source) && new FileInfo(source).ResolveLinkTarget(returnFinalTarget: true) is { } target ? target.Name : Path.GetFileName(source);
            var file = Path.Combine(sys, "class/block", name, "dev");
            if (!File.Exists(file))
                return null;
            number = File.ReadAllText(file).Trim();
        }
        var device = Path.Combine(sys, "dev/block", number);
        if (!File.Exists(Path.Combine(device, "partition")))
            return Directory.Exists(device) && Number().IsMatch(number) ? number : null;
        var disk = Path.GetDirectoryName(new DirectoryInfo(device).ResolveLinkTarget(returnFinalTarget: true)!.FullName)!;
        return File.ReadAllText(Path.Combine(disk, "dev")).Trim();
    }

    private static int ReadMountId(string directory)
    {
        while (!Directory.Exists(directory))
            directory = Path.GetDirectoryName(directory) ?? "/";
        var fd = Libc.Open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0); // no right to read it is needed
        if (fd < 0)
            throw LinuxException.FromLastError("open", directory);
        using var handle = new SafeFileHandle(fd, ownsHandle: true);
        var line = File.ReadLines($"/proc/self/fdinfo/{fd}").First(line => line.StartsWith("mnt_id:", StringComparison.Ordinal));
        return int.Parse(line.AsSpan(7), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"^\d+:\d+$")]
    private static partial Regex Number();
}
