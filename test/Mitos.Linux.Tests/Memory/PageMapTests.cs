using FsCheck.Xunit;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Memory;

/// <summary>What is listed is compared with what was done: a page too few is a fork with another's memory in it.</summary>
public sealed class PageMapTests
{
    private const int Pages = 256;

    public enum Deed
    {
        Write, WriteSameByte, Read, Discard,
    }

    [Property(MaxTest = 200)]
    public void Exactly_the_pages_that_were_written_and_not_discarded_are_listed((Deed Deed, byte Page)[] deeds, byte[] inFile)
    {
        using var file = FileWith(inFile);
        using var mapping = new PrivateMapping(file);
        var expected = new SortedSet<int>();
        var read = new HashSet<int>();
        foreach (var (deed, page) in deeds)
            Do(mapping, deed, page, expected, read);
        AssertListed(Environment.ProcessId, mapping.Address, Pages, expected);
        using var map = new PageMap(Environment.ProcessId);
        Assert.InRange(map.CountShared(mapping.Address, file.Length), read.Count(page => !expected.Contains(page)), Pages - expected.Count);
    }

    [Property(MaxTest = 20)]
    public void The_pages_of_another_process_are_listed_as_exactly((Deed Deed, byte Page)[] deeds, byte[] inFile)
    {
        using var file = FileWith(inFile);
        file.Seal();
        using var subject = new Subject(file);
        var expected = new SortedSet<int>();
        foreach (var (deed, page) in deeds)
        {
            if (deed == Deed.Discard)
                subject.Discard(page);
            else if (deed == Deed.Read)
                subject.Read(page);
            else
                subject.Write(page, page);
            _ = deed switch { Deed.Discard => expected.Remove(page), Deed.Read => false, _ => expected.Add(page) };
        }
        AssertListed(subject.Process.Id, subject.Address, Pages, expected);
    }

    [Fact]
    public void A_page_written_from_outside_is_listed()
    {
        using var file = FileWith([]);
        using var subject = new Subject(file);
        using var buffer = new PageBuffer(3 * PageBuffer.PageSize);
        ProcessMemory.Write(subject.Process.Id, subject.Address, [new PageRun(5, 2), new PageRun(200, 1)], buffer);
        AssertListed(subject.Process.Id, subject.Address, Pages, [5, 6, 200]);
    }

    [Fact]
    public void As_many_runs_as_no_call_of_the_kernel_returns_at_once_are_listed_once_each()
    {
        const int Many = 20_000;
        using var file = MemoryFile.Create("test", (long)Many * PageBuffer.PageSize);
        using var mapping = new PrivateMapping(file);
        var expected = new SortedSet<int>();
        // around what one walk in the kernel keeps (512) and what one call here takes (2,048)
        foreach (var count in (int[])[0, 1, 511, 512, 513, 1024, 1025, 2047, 2048, 2049, 2560, 2561, 4095, 4096, 4097, 6000, 10_000])
        {
            while (expected.Count < count)
            {
                mapping[expected.Count * 2][0] = 1;
                expected.Add(expected.Count * 2);
            }
            AssertListed(Environment.ProcessId, mapping.Address, Many, expected);
        }
        for (var page = 1; page < Many; page += 2)
            mapping[page][0] = 1;
        AssertListed(Environment.ProcessId, mapping.Address, Many, Enumerable.Range(0, Many));
    }

    [Fact]
    public void A_part_of_a_mapping_is_listed_from_its_own_beginning()
    {
        using var file = FileWith([]);
        using var mapping = new PrivateMapping(file);
        foreach (var page in (int[])[9, 10, 11, 20])
            mapping[page][0] = 1;
        AssertListed(Environment.ProcessId, mapping.Address + (10 * PageBuffer.PageSize), 10, [0, 1]);
    }

    [Fact]
    public void Pages_in_swap_are_listed()
    {
        using var file = FileWith([]);
        using var mapping = new PrivateMapping(file);
        for (var page = 0; page < Pages; page += 3)
        {
            mapping[page].Fill(1);
            mapping.PageOut(page);
        }
        if (File.ReadLines("/proc/swaps").Count() < 2)
            TestContext.Current.AddWarning("this host has no swap: the pages stayed in memory");
        AssertListed(Environment.ProcessId, mapping.Address, Pages, Enumerable.Range(0, Pages).Where(page => page % 3 == 0));
    }

    [Fact]
    public void A_process_that_is_not_there_or_has_ended_is_an_error_that_names_it()
    {
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => new PageMap(int.MaxValue)).Errno);
        using var file = FileWith([]);
        using var subject = new Subject(file);
        subject.Write(1, 1);
        using var map = new PageMap(subject.Process.Id);
        subject.End();
        foreach (var useScan in new[] { true, false })
        {
            var error = Assert.Throws<LinuxException>(() => map.FindPrivate(subject.Address, file.Length, [], useScan));
            Assert.Equal(Errno.ESRCH, error.Errno);
            Assert.Contains(subject.Process.Id.ToString(), error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Disposing_twice_closes_one_descriptor_only()
    {
        var map = new PageMap(Environment.ProcessId);
        map.Dispose();
        using var next = MemoryFile.Create("takes the number", 4096);
        map.Dispose();
        Assert.Equal(4096, RandomAccess.GetLength(next.Handle));
        Assert.Throws<ObjectDisposedException>(() => map.FindPrivate(0, 4096, []));
    }

    private static void Do(PrivateMapping mapping, Deed deed, int page, SortedSet<int> written, HashSet<int> read)
    {
        switch (deed)
        {
            case Deed.Write:
                mapping[page].Fill((byte)page);
                break;
            case Deed.WriteSameByte:
                mapping[page][7] = mapping[page][7]; // to write what was there already makes a page one's own
                break;
            case Deed.Read:
                read.Add(page);
                Assert.InRange(mapping[page][0], 0, 255);
                return;
            case Deed.Discard:
                mapping.Discard(page);
                written.Remove(page);
                read.Remove(page);
                return;
        }
        written.Add(page);
    }

    private static MemoryFile FileWith(byte[] pages)
    {
        var file = MemoryFile.Create("test", Pages * PageBuffer.PageSize);
        foreach (var page in pages)
            RandomAccess.Write(file.Handle, new byte[] { 1 }, page * PageBuffer.PageSize);
        return file;
    }

    private static void AssertListed(int pid, ulong address, int pages, IEnumerable<int> expected)
    {
        Assert.True(PageMap.HasScan || Environment.OSVersion.Version < new Version(6, 7), "this kernel has PAGEMAP_SCAN and it was not found");
        using var map = new PageMap(pid);
        foreach (var useScan in new[] { true, false })
        {
            var runs = new List<PageRun> { new(99, 99) }; // of an earlier call
            var count = map.FindPrivate(address, (long)pages * PageBuffer.PageSize, runs, useScan);
            Assert.Equal(expected, runs.SelectMany(run => Enumerable.Range(run.First, run.Count)));
            Assert.Equal(runs.Sum(run => run.Count), count);
            Assert.All(runs.Zip(runs.Skip(1)), pair => Assert.True(pair.First.First + pair.First.Count < pair.Second.First, "two runs that touch are one"));
        }
    }
}
