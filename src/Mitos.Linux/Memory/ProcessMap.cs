using System.Globalization;

namespace Mitos.Linux.Memory;

/// <summary>One line of /proc/PID/maps.</summary>
/// <param name="Start">First address.</param>
/// <param name="End">First address after it.</param>
/// <param name="Offset">Byte of the file at <paramref name="Start"/>.</param>
/// <param name="Inode">Inode of the file, 0 for anonymous memory.</param>
/// <param name="Path">Path of the file as the kernel tells it.</param>
public readonly record struct ProcessMap(ulong Start, ulong End, long Offset, ulong Inode, string Path)
{
    /// <summary>All mappings of a process whose path begins with <paramref name="pathPrefix"/>.</summary>
    /// <exception cref="IOException">The process is gone.</exception>
    public static List<ProcessMap> Find(int pid, string pathPrefix)
    {
        var found = new List<ProcessMap>();
        foreach (var line in File.ReadLines($"/proc/{pid}/maps"))
        {
            var path = line.IndexOf('/', StringComparison.Ordinal);
            if (path >= 0 && line.AsSpan(path).StartsWith(pathPrefix, StringComparison.Ordinal))
                found.Add(Parse(line, path));
        }
        return found;
    }

    private static ProcessMap Parse(string line, int path)
    {
        var fields = line[..path].Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries); // start end perms... offset dev inode
        var tail = fields.AsSpan()[^3..];
        return new ProcessMap(
            ulong.Parse(fields[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            ulong.Parse(fields[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            long.Parse(tail[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
            ulong.Parse(tail[2], CultureInfo.InvariantCulture),
            line[path..]);
    }
}
