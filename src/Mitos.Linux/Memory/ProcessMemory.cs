using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysUio;

namespace Mitos.Linux.Memory;

/// <summary>Copies pages between a buffer of ours and a mapping of another process.</summary>
public static unsafe class ProcessMemory
{
    private const int MaxBatch = 8 << 20;

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
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        long total = 0;
        foreach (var run in runs)
            total += (long)run.Count * PageBuffer.PageSize;
        if (total > buffer.Length - offset)
            throw new ArgumentException($"The runs have {total} bytes; the buffer has {buffer.Length}, from {offset} on.", nameof(buffer));
        var remote = stackalloc IoVector[UIO_MAXIOV];
        long done = 0;
        var taken = 0; // pages of the next run that are moved already
        for (var next = 0; next < runs.Length;)
        {
            var count = 0;
            long batch = 0;
            for (; next < runs.Length && count < UIO_MAXIOV && batch < MaxBatch; count++)
            {
                // a part of a long run: one call moves less than 2 GiB, whatever it is asked for
                var pages = (int)Math.Min(runs[next].Count - taken, (MaxBatch - batch) / PageBuffer.PageSize);
                remote[count].Base = (nuint)(mapping + ((ulong)(runs[next].First + (long)taken) * PageBuffer.PageSize));
                remote[count].Length = (nuint)pages * PageBuffer.PageSize;
                batch += (long)pages * PageBuffer.PageSize;
                taken += pages;
                if (taken == runs[next].Count)
                    (next, taken) = (next + 1, 0);
            }
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
