using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Fcntl;
using static Mitos.Linux.Abi.LinuxFs;

namespace Mitos.Linux.Memory;

/// <summary>
/// Lists the pages of another process's private file mapping that are its own: present or swapped, and no longer file-backed.
/// Uses the PAGEMAP_SCAN ioctl (Linux 6.7, Documentation/admin-guide/mm/pagemap.rst): its cost follows the pages found, not the mapping's size.
/// </summary>
public sealed unsafe class PageMap : IDisposable
{
    private readonly int _pid;
    private readonly SafeFileHandle _file;

    /// <exception cref="LinuxException">ENOENT when the process is gone, EACCES without ptrace rights.</exception>
    public PageMap(int pid)
    {
        _pid = pid;
        var fd = Libc.Open($"/proc/{pid}/pagemap", O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0)
            throw LinuxException.FromLastError("open", $"/proc/{pid}/pagemap");
        _file = new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>Whether this kernel has PAGEMAP_SCAN; probed once on our own process.</summary>
    public static bool HasScan { get; } = ProbeScan();

    /// <summary>
    /// Finds the private pages of the mapping at <paramref name="start"/>, and stores them in order in <paramref name="runs"/>.
    /// </summary>
    /// <param name="start">Address of the mapping, page-aligned.</param>
    /// <param name="length">Bytes of the mapping.</param>
    /// <param name="runs">Cleared, then filled; its capacity grows when it must.</param>
    /// <param name="useScan">False reads /proc/PID/pagemap instead, which costs O(length).</param>
    /// <returns>Number of pages.</returns>
    /// <exception cref="LinuxException">ESRCH when the process has ended.</exception>
    public int FindPrivate(ulong start, long length, List<PageRun> runs, bool useScan = true)
    {
        runs.Clear();
        return useScan && HasScan ? Scan(start, length, PAGE_IS_FILE, PAGE_IS_FILE, PAGE_IS_PRESENT | PAGE_IS_SWAPPED, runs) : ReadEntries(start, length, runs);
    }

    /// <summary>Counts pages that are mapped and still the file's: those shared with everybody else who maps it.</summary>
    public int CountShared(ulong start, long length)
    {
        if (!HasScan)
            return CountSharedEntries(start, length);
        return Scan(start, length, 0, PAGE_IS_FILE | PAGE_IS_PRESENT, 0, []);
    }

    public void Dispose() => _file.Dispose();

    private int Scan(ulong start, long length, ulong inverted, ulong all, ulong any, List<PageRun> runs)
    {
        const int Capacity = 2048;
        var regions = stackalloc PageRegion[Capacity];
        var total = 0;
        for (var at = start; ;)
        {
            var argument = new ScanArgument
            {
                Size = (ulong)sizeof(ScanArgument),
                Start = at,
                End = start + (ulong)length,
                Vector = (ulong)regions,
                VectorLength = Capacity,
                CategoryInverted = inverted,
                CategoryMask = all,
                CategoryAnyOf = any,
                ReturnMask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            };
            var found = Libc.Ioctl(_file, PAGEMAP_SCAN, &argument);
            if (found < 0)
                throw LinuxException.FromLastError("ioctl(PAGEMAP_SCAN)", $"process {_pid}");
            for (var i = 0; i < found; i++)
                total += Append(runs, (int)((regions[i].Start - start) / PageBuffer.PageSize), (int)((regions[i].End - regions[i].Start) / PageBuffer.PageSize));
            if (found == 0 || argument.WalkEnd >= argument.End)
                return total;
            // walk_end alone would do, but after a walk in several parts (of 512 regions) the kernel reports where an earlier part ended: pages would come twice.
            at = Math.Max(argument.WalkEnd, regions[found - 1].End);
        }
    }

    private int ReadEntries(ulong start, long length, List<PageRun> runs)
    {
        var total = 0;
        ForEachEntry(start, length, (page, entry) =>
        {
            if ((entry >> 62) != 0 && (entry >> 61 & 1) == 0)
                total += Append(runs, page, 1);
        });
        return total;
    }

    private int CountSharedEntries(ulong start, long length)
    {
        var total = 0;
        ForEachEntry(start, length, (_, entry) => total += (entry >> 63) != 0 && (entry >> 61 & 1) != 0 ? 1 : 0);
        return total;
    }

    private void ForEachEntry(ulong start, long length, Action<int, ulong> visit)
    {
        const int Batch = 4096;
        var entries = stackalloc ulong[Batch];
        var pages = (int)(length / PageBuffer.PageSize);
        for (var page = 0; page < pages;)
        {
            var want = Math.Min(Batch, pages - page);
            var offset = ((long)(start / PageBuffer.PageSize) + page) * sizeof(ulong);
            var got = Libc.Pread(_file, entries, (nuint)want * sizeof(ulong), offset);
            if (got < 0)
                throw LinuxException.FromLastError("pread", $"/proc/{_pid}/pagemap");
            if (got == 0)
                throw new LinuxException("pread", Errno.ESRCH, $"/proc/{_pid}/pagemap"); // its memory is gone
            for (var i = 0; i < (int)got / sizeof(ulong); i++)
                visit(page + i, entries[i]);
            page += (int)got / sizeof(ulong);
        }
    }

    // Regions that touch are one run, however the kernel split them.
    private static int Append(List<PageRun> runs, int first, int count)
    {
        if (runs.Count > 0 && runs[^1].First + runs[^1].Count == first)
            runs[^1] = new PageRun(runs[^1].First, runs[^1].Count + count);
        else
            runs.Add(new PageRun(first, count));
        return count;
    }

    private static bool ProbeScan()
    {
        var fd = Libc.Open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0)
            return false;
        var region = default(PageRegion);
        var argument = new ScanArgument { Size = (ulong)sizeof(ScanArgument), Vector = (ulong)&region, VectorLength = 1, CategoryMask = PAGE_IS_PRESENT, ReturnMask = PAGE_IS_PRESENT };
        using var file = new SafeFileHandle(fd, ownsHandle: true);
        return Libc.Ioctl(file, PAGEMAP_SCAN, &argument) >= 0; // an empty range: 0 where the call exists
    }
}
