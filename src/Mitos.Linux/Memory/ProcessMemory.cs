using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysUio;

namespace Mitos.Linux.Memory;

/// <summary>Copies pages between a buffer of ours and a mapping of another process.</summary>
public static unsafe class ProcessMemory
{
    private const int MaxRemotePerVector = 8 << 20;

    /// <summary>Copies the pages of <paramref name="runs"/>, one after the other, into <paramref name="buffer"/> from <paramref name="offset"/> on.</summary>
    /// <returns>Bytes copied.</returns>
    /// <exception cref="LinuxException">ESRCH when the process is gone, EFAULT when the mapping is, EPERM without ptrace rights.</exception>
    public static long Read(int pid, ulong mapping, ReadOnlySpan<PageRun> runs, PageBuffer buffer, long offset = 0) =>
        Move(pid, mapping, runs, buffer, offset, write: false);

    /// <summary>Copies <paramref name="buffer"/> from <paramref name="offset"/> on into the pages of <paramref name="runs"/>, one after the other.</summary>
    /// <inheritdoc cref="Read"/>
    public static long Write(int pid, ulong mapping, ReadOnlySpan<PageRun> runs, PageBuffer buffer, long offset = 0) =>
        Move(pid, mapping, runs, buffer, offset, write: true);

    private static long Move(int pid, ulong mapping, ReadOnlySpan<PageRun> runs, PageBuffer buffer, long offset, bool write)
    {
        var remote = stackalloc IoVector[UIO_MAXIOV];
        long done = 0;
        for (var next = 0; next < runs.Length;)
        {
            var count = 0;
            long batch = 0;
            for (; next < runs.Length && count < UIO_MAXIOV && (count == 0 || batch < MaxRemotePerVector); next++, count++)
            {
                remote[count].Base = (nuint)(mapping + ((ulong)runs[next].First * PageBuffer.PageSize));
                remote[count].Length = (nuint)runs[next].Count * PageBuffer.PageSize;
                batch += (long)runs[next].Count * PageBuffer.PageSize;
            }
            if (offset + done + batch > buffer.Length)
                throw new ArgumentException($"The runs have more bytes than the buffer's {buffer.Length}.", nameof(buffer));
            var local = new IoVector { Base = (nuint)(buffer.Address + offset + done), Length = (nuint)batch };
            var moved = write
                ? Libc.ProcessVmWritev(pid, &local, 1, remote, (nuint)count, 0)
                : Libc.ProcessVmReadv(pid, &local, 1, remote, (nuint)count, 0);
            if (moved != batch)
                throw moved < 0
                    ? LinuxException.FromLastError(write ? "process_vm_writev" : "process_vm_readv", $"process {pid}")
                    : new LinuxException(write ? "process_vm_writev" : "process_vm_readv", Errno.EFAULT /* a part only */, $"process {pid}");
            done += batch;
        }
        return done;
    }
}
