using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysStat;

namespace Mitos.Linux.Files;

/// <summary>Who may use a file.</summary>
public static unsafe class FileOwner
{
    /// <summary>Gives a file to a user and the group of that number.</summary>
    /// <exception cref="LinuxException">ENOENT, EPERM.</exception>
    public static void Set(string path, int userId)
    {
        if (Libc.Chown(path, (uint)userId, (uint)userId) != 0)
            throw LinuxException.FromLastError("chown", path);
    }

    /// <summary>Who can read and write a file; <see cref="FileAccessBy.None"/> when it is not there.</summary>
    public static FileAccessBy ReadAccess(string path)
    {
        FileStatus status;
        if (Libc.Stat(path, &status) != 0)
            return FileAccessBy.None;
        return Has(status.Mode, S_IROTH | S_IWOTH) ? FileAccessBy.Everybody
            : Has(status.Mode, S_IRGRP | S_IWGRP) && status.GroupId != 0 ? new FileAccessBy((int)status.GroupId)
            : FileAccessBy.RootAlone;
    }

    private static bool Has(uint mode, uint bits) => (mode & bits) == bits;
}

/// <summary>Who can read and write a file, beside its owner.</summary>
/// <param name="Group">The number of its group; negative: see the constants.</param>
public readonly record struct FileAccessBy(int Group)
{
    public static readonly FileAccessBy None = new(-3), RootAlone = new(-2), Everybody = new(-1);

    /// <summary>Whether a user that is not root can have it, by its group if need be.</summary>
    public bool IsShared => Group >= 0 || this == Everybody;

    /// <summary>The groups that a process needs for it.</summary>
    public IReadOnlyList<int> Groups => Group >= 0 ? [Group] : [];
}
