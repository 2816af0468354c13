using System.Runtime.ExceptionServices;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysUio;

namespace Mitos.Linux.Memory;

/// <summary>
/// One copy of pages between a buffer of ours, where they lie one after the other, and mappings of another process. A large one is
/// shared with threads of the pool: each takes the next part until none is left, so that a helper that comes late, or never,
/// holds up nobody. <see cref="Run"/> allocates nothing of its own.
/// </summary>
/// <param name="pid">The process.</param>
/// <param name="mappings">Where each mapping begins in the process.</param>
/// <param name="runs">The pages of each mapping; may be filled until <see cref="Run"/> is called.</param>
/// <param name="buffer">Ours.</param>
/// <param name="offset">Where the first page lies in the buffer, in bytes.</param>
/// <param name="write">Whether pages go from the buffer into the process.</param>
public sealed unsafe class PageTransfer(int pid, IReadOnlyList<ulong> mappings, IReadOnlyList<IReadOnlyList<PageRun>> runs, PageBuffer buffer, long offset, bool write) : IThreadPoolWorkItem
{
    // A helper that loses its core in the middle of a part is waited for: a part is 0.2-0.4 ms of copying.
    private const long PagesOfPart = 256;
    private const int MaxHelpers = 3; // beyond, the memory is what limits

    private readonly Lock _lock = new();
    private int _mapping, _run, _takenOfRun;
    private long _at;
    private int _underway;
    private Exception? _failure;

    /// <summary>Copies all; once.</summary>
    /// <param name="helpers">Threads of the pool that may help, at most.</param>
    /// <returns>Bytes copied.</returns>
    /// <exception cref="ArgumentException">The buffer is too small; nothing was copied.</exception>
    /// <exception cref="LinuxException">ESRCH when the process is gone, EFAULT when the mapping is, EPERM without ptrace rights; a part may have been copied.</exception>
    public long Run(int helpers = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        long pages = 0;
        for (var i = 0; i < runs.Count; i++)
        {
            for (var run = 0; run < runs[i].Count; run++)
                pages += runs[i][run].Count;
        }
        if (pages * PageBuffer.PageSize > buffer.Length - offset)
            throw new ArgumentException($"The runs have {pages * PageBuffer.PageSize} bytes; the buffer has {buffer.Length}, from {offset} on.");
        _at = offset;
        for (var help = Math.Min(Math.Min(helpers, MaxHelpers), Math.Min(Environment.ProcessorCount - 1, (pages - 1) / PagesOfPart)); help > 0; help--)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        Work();
        for (var wait = new SpinWait(); Volatile.Read(ref _underway) > 0;)
            wait.SpinOnce(sleep1Threshold: -1);
        if (_failure is { } failure)
            ExceptionDispatchInfo.Throw(failure);
        return pages * PageBuffer.PageSize;
    }

    void IThreadPoolWorkItem.Execute() => Work();

    private void Work()
    {
        var remote = stackalloc IoVector[UIO_MAXIOV];
        while (Take(remote, out var count) is { Length: > 0 } local)
        {
            try
            {
                Move(local, remote, count);
            }
            catch (LinuxException e)
            {
                lock (_lock)
                    _failure ??= e;
            }
            finally
            {
                Interlocked.Decrement(ref _underway);
            }
        }
    }

    // The next part; an empty one when nothing is left, or when a part failed.
    private IoVector Take(IoVector* remote, out int count)
    {
        count = 0;
        lock (_lock)
        {
            var from = _at;
            for (long room = PagesOfPart; _failure is null && _mapping < runs.Count && count < UIO_MAXIOV && room > 0;)
            {
                if (_run == runs[_mapping].Count)
                {
                    (_mapping, _run) = (_mapping + 1, 0);
                    continue;
                }
                var run = runs[_mapping][_run];
                var pages = Math.Min(run.Count - _takenOfRun, room);
                remote[count].Base = (nuint)(mappings[_mapping] + ((ulong)(run.First + (long)_takenOfRun) * PageBuffer.PageSize));
                remote[count++].Length = (nuint)(pages * PageBuffer.PageSize);
                room -= pages;
                _at += pages * PageBuffer.PageSize;
                _takenOfRun += (int)pages;
                if (_takenOfRun == run.Count)
                    (_run, _takenOfRun) = (_run + 1, 0);
            }
            if (count == 0)
                return default;
            Interlocked.Increment(ref _underway);
            return new IoVector { Base = (nuint)(buffer.Address + from), Length = (nuint)(_at - from) };
        }
    }

    private void Move(IoVector local, IoVector* remote, int count)
    {
        var call = write ? "process_vm_writev" : "process_vm_readv";
        var moved = write ? Libc.ProcessVmWritev(pid, &local, 1, remote, (nuint)count, 0) : Libc.ProcessVmReadv(pid, &local, 1, remote, (nuint)count, 0);
        if (moved < 0)
            throw LinuxException.FromLastError(call, $"process {pid}");
        if (moved != (long)local.Length)
            throw new LinuxException(call, Errno.EFAULT /* a part only */, $"process {pid}");
    }
}
