using FsCheck.Xunit;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Memory;

/// <summary>Copies that several threads share; those of one thread are in ProcessMemoryTests.</summary>
public sealed class PageTransferTests
{
    private const int Page = PageBuffer.PageSize, Pages = 4096;

    [Property(MaxTest = 40)]
    public void Threads_that_share_a_copy_put_every_page_in_its_place((ushort First, ushort Count)[] first, (ushort First, ushort Count)[] second)
    {
        using var file = Random();
        using var source = new PrivateMapping(file);
        using var blank = MemoryFile.Create("blank", (long)Pages * Page);
        using var target = new PrivateMapping(blank);
        // the two lists stand for two mappings: the halves of one
        IReadOnlyList<IReadOnlyList<PageRun>> runs = [Runs(first), Runs(second)];
        ulong[] from = [source.Address, source.Address + (Pages / 2 * Page)], to = [target.Address, target.Address + (Pages / 2 * Page)];
        var total = runs.Sum(list => list.Sum(run => run.Count));
        using var buffer = new PageBuffer((total + 1L) * Page);
        Assert.Equal((long)total * Page, new PageTransfer(Environment.ProcessId, from, runs, buffer, Page, write: false).Run(helpers: 3));
        Assert.False(buffer.AsSpan(0, Page).ContainsAnyExcept((byte)0)); // before the offset nothing is touched
        long at = Page;
        foreach (var page in runs.SelectMany((list, half) => list.SelectMany(run => Enumerable.Range((half * Pages / 2) + run.First, run.Count))))
        {
            Assert.True(buffer.AsSpan(at, Page).SequenceEqual(source[page]), $"page {page}");
            at += Page;
        }
        Assert.Equal((long)total * Page, new PageTransfer(Environment.ProcessId, to, runs, buffer, Page, write: true).Run(helpers: 3));
        var moved = runs.SelectMany((list, half) => list.SelectMany(run => Enumerable.Range((half * Pages / 2) + run.First, run.Count))).ToHashSet();
        for (var page = 0; page < Pages; page++)
            Assert.True(moved.Contains(page) ? target[page].SequenceEqual(source[page]) : !target[page].ContainsAnyExcept((byte)0), $"page {page}");
    }

    [Fact]
    public void A_part_that_fails_fails_the_copy_and_nothing_is_copied_after_it_returned()
    {
        using var file = Random();
        using var source = new PrivateMapping(file);
        var runs = new List<PageRun>();
        for (var i = 0; i < 64; i++)
            runs.Add(i == 40 ? new PageRun(1 << 28, 300) : new PageRun(i * 60, 50));
        using var buffer = new PageBuffer(64L * 300 * Page);
        for (var round = 0; round < 50; round++)
        {
            var error = Assert.Throws<LinuxException>(() => new PageTransfer(Environment.ProcessId, [source.Address], [runs], buffer, 0, write: false).Run(helpers: 3));
            Assert.Equal(Errno.EFAULT, error.Errno);
            buffer.AsSpan(0, (int)buffer.Length).Clear();
            Thread.Yield();
            Assert.False(buffer.AsSpan(0, (int)buffer.Length).ContainsAnyExcept((byte)0));
        }
    }

    // Runs within half of the pages, up to 600 long: parts are of 256.
    private static List<PageRun> Runs((ushort First, ushort Count)[] places) =>
        [.. places.Select(place => new PageRun(place.First % (Pages / 2 - 600), (place.Count % 600) + 1))];

    private static MemoryFile Random()
    {
        var file = MemoryFile.Create("random", (long)Pages * Page);
        var content = new byte[Pages * Page];
        new Random(1).NextBytes(content);
        RandomAccess.Write(file.Handle, content, 0);
        return file;
    }
}
