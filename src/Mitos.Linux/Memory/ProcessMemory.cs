namespace Mitos.Linux.Memory;

/// <summary>Copies pages between a buffer of ours and one mapping of another process, on this thread.</summary>
public static class ProcessMemory
{
    /// <summary>Copies the pages of <paramref name="runs"/>, one after the other, into <paramref name="buffer"/> from <paramref name="offset"/> on.</summary>
    /// <returns>Bytes copied.</returns>
    /// <exception cref="LinuxException">ESRCH when the process is gone, EFAULT when the mapping is, EPERM without ptrace rights.</exception>
    public static long Read(int pid, ulong mapping, IReadOnlyList<PageRun> runs, PageBuffer buffer, long offset = 0) =>
        new PageTransfer(pid, [mapping], [runs], buffer, offset, write: false).Run();

    /// <summary>Copies <paramref name="buffer"/> from <paramref name="offset"/> on into the pages of <paramref name="runs"/>, one after the other.</summary>
    /// <inheritdoc cref="Read"/>
    public static long Write(int pid, ulong mapping, IReadOnlyList<PageRun> runs, PageBuffer buffer, long offset = 0) =>
        new PageTransfer(pid, [mapping], [runs], buffer, offset, write: true).Run();
}
