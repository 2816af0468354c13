using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Fcntl;
using static Mitos.Linux.Abi.SysFile;
using static Mitos.Linux.Abi.SysStat;

namespace Mitos.Linux.Files;

/// <summary>Opens files with exactly the access mode that a receiver of the descriptor must have.</summary>
public static class FileDescriptors
{
    /// <exception cref="LinuxException">ENOENT and its like; ELOOP when it is a link.</exception>
    public static SafeFileHandle OpenRead(string path) => Open(path, O_RDONLY | O_NOFOLLOW);

    /// <inheritdoc cref="OpenRead"/>
    public static SafeFileHandle OpenReadWrite(string path) => Open(path, O_RDWR | O_NOFOLLOW);

    // A link, though of the kernel's own kind.
    internal static SafeFileHandle OpenNamespace(string path) => Open(path, O_RDONLY);

    /// <summary>A second descriptor of an open file that can only write.</summary>
    public static SafeFileHandle ReopenWriteOnly(SafeFileHandle file) => Open($"/proc/self/fd/{(int)file.DangerousGetHandle()}", O_WRONLY);

    /// <summary>Opens for reading and writing, making the file (mode 0600) when there is none. Unlike .NET's own it takes no lock.</summary>
    public static SafeFileHandle OpenOrCreate(string path)
    {
        var fd = Libc.Open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_CREAT, S_IRUSR | S_IWUSR);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw LinuxException.FromLastError("open", path);
    }

    /// <summary>Takes the exclusive lock of a file; false when another process has it. Held until the handle is closed.</summary>
    public static bool TryLock(SafeFileHandle file) => Libc.Flock((int)file.DangerousGetHandle(), LOCK_EX | LOCK_NB) == 0;

    private static SafeFileHandle Open(string path, int flags)
    {
        var fd = Libc.Open(path, flags | O_CLOEXEC, 0);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw LinuxException.FromLastError("open", path);
    }
}
