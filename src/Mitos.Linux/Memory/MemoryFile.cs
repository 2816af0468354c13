using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Fcntl;
using static Mitos.Linux.Abi.SysMman;
using static Mitos.Linux.Abi.Unistd;

namespace Mitos.Linux.Memory;

/// <summary>
/// An anonymous file in memory (memfd). Once sealed nobody can change it, whatever descriptor or privilege they have, while
/// private mappings of it stay writable for their owners: what a generation needs. It lives as long as any process holds it.
/// </summary>
public sealed class MemoryFile : IDisposable
{
    private const int AllSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

    private MemoryFile(SafeFileHandle handle, long length)
    {
        Handle = handle;
        Length = length;
    }

    public SafeFileHandle Handle { get; }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    public int Descriptor => (int)Handle.DangerousGetHandle();

    public bool IsSealed => (Libc.Fcntl(Descriptor, F_GET_SEALS, 0) & F_SEAL_WRITE) != 0;

    /// <summary>Creates a file of <paramref name="length"/> zero bytes, close-on-exec, not sealed.</summary>
    /// <exception cref="LinuxException">EMFILE, ENOMEM.</exception>
    public static MemoryFile Create(string name, long length)
    {
        var fd = Libc.MemfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
            throw LinuxException.FromLastError("memfd_create", name);
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        if (Libc.Ftruncate(fd, length) == 0)
            return new MemoryFile(handle, length);
        var error = LinuxException.FromLastError("ftruncate", name);
        handle.Dispose();
        throw error;
    }

    /// <summary>Opens the sealed file that another process holds as descriptor <paramref name="descriptor"/>.</summary>
    /// <exception cref="LinuxException">No such process or descriptor, or EPERM when it is not a sealed memory file.</exception>
    public static MemoryFile OpenSealed(int pid, int descriptor)
    {
        var path = $"/proc/{pid}/fd/{descriptor}";
        var fd = Libc.Open(path, O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0)
            throw LinuxException.FromLastError("open", path);
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        if (Libc.Fcntl(fd, F_GET_SEALS, 0) == AllSeals)
            return new MemoryFile(handle, Libc.Lseek(handle, 0, SEEK_END));
        handle.Dispose();
        throw new LinuxException("fcntl(F_GET_SEALS)", Errno.EPERM, path);
    }

    /// <summary>Opens, for reading and writing, the memory file that another process holds as descriptor <paramref name="descriptor"/>.</summary>
    /// <exception cref="LinuxException">No such process or descriptor.</exception>
    public static MemoryFile Reopen(int pid, int descriptor)
    {
        var path = $"/proc/{pid}/fd/{descriptor}";
        var fd = Libc.Open(path, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0)
            throw LinuxException.FromLastError("open", path);
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        return new MemoryFile(handle, Libc.Lseek(handle, 0, SEEK_END));
    }

    /// <summary>Zero bytes throughout again, which take no memory. Not of a sealed file.</summary>
    /// <exception cref="LinuxException">EPERM: it is sealed.</exception>
    public void Clear()
    {
        if (Libc.Ftruncate(Descriptor, 0) != 0 || Libc.Ftruncate(Descriptor, Length) != 0)
            throw LinuxException.FromLastError("ftruncate", $"memory file of {Length >> 20} MiB");
    }

    /// <summary>Forbids every further change, for everybody and for ever.</summary>
    /// <exception cref="LinuxException">EBUSY while a writable shared mapping exists.</exception>
    public void Seal()
    {
        if (Libc.Fcntl(Descriptor, F_ADD_SEALS, AllSeals) != 0)
            throw LinuxException.FromLastError("fcntl(F_ADD_SEALS)", $"memory file of {Length >> 20} MiB");
    }

    /// <summary>The byte ranges that hold data; what lies between reads as zero and takes no memory.</summary>
    public IEnumerable<(long Start, long End)> DataRanges() => DataRanges(Handle, Length);

    /// <summary>The byte ranges of a file that hold data (SEEK_DATA, SEEK_HOLE).</summary>
    /// <exception cref="LinuxException">It is no file of a kind that has ranges.</exception>
    public static IEnumerable<(long Start, long End)> DataRanges(SafeFileHandle file, long length)
    {
        for (long at = 0; at < length;)
        {
            var start = Seek(file, at, SEEK_DATA);
            if (start < 0 || start >= length)
                yield break; // only a hole is left
            at = Seek(file, start, SEEK_HOLE);
            yield return (start, Math.Min(at, length));
        }
    }

    // -1 past the last data
    private static long Seek(SafeFileHandle file, long from, int whence)
    {
        var at = Libc.Lseek(file, from, whence);
        return at >= 0 || (whence == SEEK_DATA && Marshal.GetLastPInvokeError() == Errno.ENXIO) ? at : throw LinuxException.FromLastError("lseek", "a memory image");
    }

    public void Dispose() => Handle.Dispose();
}
