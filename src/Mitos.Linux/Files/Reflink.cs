using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;

namespace Mitos.Linux.Files;

/// <summary>Copies of files that share their blocks until one is written to (ioctl_ficlone(2)): XFS, btrfs, bcachefs.</summary>
public static class Reflink
{
    /// <summary>Makes a file's content that of another; both are on one file system.</summary>
    /// <exception cref="LinuxException">EOPNOTSUPP: the file system cannot. EXDEV: two file systems.</exception>
    public static void Clone(SafeFileHandle source, SafeFileHandle target)
    {
        if (Libc.Ioctl(target, LinuxFs.FICLONE, source.DangerousGetHandle()) != 0)
            throw LinuxException.FromLastError("ioctl(FICLONE)", "a copy-on-write copy of a disk");
    }

    /// <summary>Whether the file system of a directory can.</summary>
    public static bool IsSupported(string directory)
    {
        var (a, b) = (Path.Combine(directory, ".reflink-" + Path.GetRandomFileName()), Path.Combine(directory, ".reflink-" + Path.GetRandomFileName()));
        try
        {
            File.WriteAllText(a, "?");
            using var source = FileDescriptors.OpenRead(a);
            using var target = FileDescriptors.OpenOrCreate(b);
            return Libc.Ioctl(target, LinuxFs.FICLONE, source.DangerousGetHandle()) == 0;
        }
        finally
        {
            File.Delete(a);
            File.Delete(b);
        }
    }
}
