using Microsoft.Win32.SafeHandles;

namespace Mitos.Linux.Files;

/// <summary>Opens files with exactly the access mode that a receiver of the descriptor must have.</summary>
public static class FileDescriptors
{
    private const int WriteOnly = 1, ReadWrite = 2, NoFollow = 0x20000, CloseOnExec = 0x80000;

    /// <exception cref="LinuxException">ENOENT and its like; ELOOP when it is a link.</exception>
    public static SafeFileHandle OpenRead(string path) => Open(path, NoFollow);

    /// <inheritdoc cref="OpenRead"/>
    public static SafeFileHandle OpenReadWrite(string path) => Open(path, ReadWrite | NoFollow);

    /// <summary>A second descriptor of an open file that can only write.</summary>
    public static SafeFileHandle ReopenWriteOnly(SafeFileHandle file) => Open($"/proc/self/fd/{(int)file.DangerousGetHandle()}", WriteOnly);

    /// <summary>Opens for reading and writing, making the file (mode 0600) when there is none. Unlike .NET's own it takes no lock.</summary>
    public static SafeFileHandle OpenOrCreate(string path)
    {
        var fd = Libc.Open(path, ReadWrite | NoFollow | CloseOnExec | 0x40 /* O_CREAT */, 0x180);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw LinuxException.FromLastError("open", path);
    }

    /// <summary>Takes the exclusive lock of a file; false when another process has it. Held until the handle is closed.</summary>
    public static bool TryLock(SafeFileHandle file) => Libc.Flock((int)file.DangerousGetHandle(), 2 | 4 /* LOCK_EX | LOCK_NB */) == 0;

    private static SafeFileHandle Open(string path, int flags)
    {
        var fd = Libc.Open(path, flags | CloseOnExec, 0);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw LinuxException.FromLastError("open", path);
    }
}
