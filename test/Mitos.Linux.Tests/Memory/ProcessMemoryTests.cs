using FsCheck.Xunit;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Memory;

public sealed class ProcessMemoryTests
{
    private const int Page = PageBuffer.PageSize;

    [Property(MaxTest = 50)]
    public void Pages_come_in_the_order_of_the_runs((byte First, byte Count)[] places)
    {
        const int Pages = 512;
        using var file = Numbered(Pages);
        using var mapping = new PrivateMapping(file);
        var runs = places.Select(place => new PageRun(place.First, place.Count + 1)).ToArray();
        var total = runs.Sum(run => run.Count);
        using var buffer = new PageBuffer((total + 2L) * Page);
        buffer.AsSpan(0, Page).Fill(0xAA);
        Assert.Equal((long)total * Page, ProcessMemory.Read(Environment.ProcessId, mapping.Address, runs, buffer, Page));
        var expected = runs.SelectMany(run => Enumerable.Range(run.First, run.Count));
        Assert.Equal(expected, Enumerable.Range(1, total).Select(page => NumberIn(buffer.AsSpan((long)page * Page, Page))));
        Assert.False(buffer.AsSpan(0, Page).ContainsAnyExcept((byte)0xAA)); // before the offset nothing is touched
        Assert.False(buffer.AsSpan((total + 1L) * Page, Page).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void The_memory_of_another_process_is_read_and_written()
    {
        using var file = Numbered(64);
        file.Seal();
        using var subject = new Subject(file);
        subject.Write(7, 0x55);
        using var buffer = new PageBuffer(64 * Page);
        ProcessMemory.Read(subject.Process.Id, subject.Address, [new PageRun(0, 64)], buffer);
        Assert.False(buffer.AsSpan(7 * Page, Page).ContainsAnyExcept((byte)0x55));
        Assert.Equal(63, NumberIn(buffer.AsSpan(63 * Page, Page)));
        buffer.AsSpan(0, 2 * Page).Fill(0x77);
        ProcessMemory.Write(subject.Process.Id, subject.Address, [new PageRun(9, 1), new PageRun(30, 1)], buffer);
        using var again = new PageBuffer(64 * Page);
        ProcessMemory.Read(subject.Process.Id, subject.Address, [new PageRun(0, 64)], again);
        foreach (var page in Enumerable.Range(0, 64))
        {
            var bytes = again.AsSpan(page * Page, Page);
            if (page is 7 or 9 or 30)
                Assert.False(bytes.ContainsAnyExcept(page == 7 ? (byte)0x55 : (byte)0x77));
            else
                Assert.Equal(page, NumberIn(bytes));
        }
    }

    [Theory]
    [InlineData(1)] // more runs than one call takes
    [InlineData(24_000)] // one run longer than what one call moves
    [InlineData(3000)]
    public void Many_and_long_runs_are_moved_over_several_calls(int count)
    {
        const int Pages = 24_000;
        using var file = Numbered(Pages);
        using var mapping = new PrivateMapping(file);
        using var target = MemoryFile.Create("target", (long)Pages * Page);
        using var copy = new PrivateMapping(target);
        var runs = Enumerable.Range(0, Pages / count).Where(i => count > 1 || i % 2 == 0).Select(i => new PageRun(i * count, count)).ToArray();
        var total = runs.Sum(run => run.Count);
        using var buffer = new PageBuffer((long)total * Page);
        Assert.Equal((long)total * Page, ProcessMemory.Read(Environment.ProcessId, mapping.Address, runs, buffer));
        Assert.Equal((long)total * Page, ProcessMemory.Write(Environment.ProcessId, copy.Address, runs, buffer));
        foreach (var page in runs.SelectMany(run => Enumerable.Range(run.First, run.Count)))
            Assert.Equal(page, NumberIn(copy[page]));
    }

    [Fact]
    public void No_run_is_no_call()
    {
        using var buffer = new PageBuffer(0);
        Assert.Equal(0, ProcessMemory.Read(int.MaxValue, 0, [], buffer));
    }

    [Fact]
    public void A_buffer_that_is_too_small_is_refused_before_anything_is_copied()
    {
        using var file = Numbered(4);
        using var mapping = new PrivateMapping(file);
        using var buffer = new PageBuffer(2 * Page);
        var error = Assert.Throws<ArgumentException>(() => ProcessMemory.Read(Environment.ProcessId, mapping.Address, [new PageRun(0, 3)], buffer));
        Assert.Contains("8192", error.Message, StringComparison.Ordinal);
        Assert.False(buffer.AsSpan(0, 2 * Page).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_process_that_is_gone_or_a_mapping_that_is_not_there_is_an_error_that_names_the_process()
    {
        using var file = Numbered(4);
        using var subject = new Subject(file);
        using var buffer = new PageBuffer(16 * Page);
        Assert.Equal(Errno.EFAULT, Assert.Throws<LinuxException>(() => ProcessMemory.Read(subject.Process.Id, Page, [new PageRun(0, 1)], buffer)).Errno);
        // a part is there, the rest is not
        Assert.Equal(Errno.EFAULT, Assert.Throws<LinuxException>(() => ProcessMemory.Read(subject.Process.Id, subject.Address, [new PageRun(3, 1), new PageRun(1 << 24, 1)], buffer)).Errno);
        subject.End();
        var error = Assert.Throws<LinuxException>(() => ProcessMemory.Read(subject.Process.Id, subject.Address, [new PageRun(0, 1)], buffer));
        Assert.Equal(Errno.ESRCH, error.Errno);
        Assert.Contains(subject.Process.Id.ToString(), error.Message, StringComparison.Ordinal);
    }

    // Each page holds its own number in all its ints.
    private static MemoryFile Numbered(int pages)
    {
        var file = MemoryFile.Create("numbered", (long)pages * Page);
        var content = new int[Page / sizeof(int)];
        for (var page = 0; page < pages; page++)
        {
            Array.Fill(content, page);
            RandomAccess.Write(file.Handle, System.Runtime.InteropServices.MemoryMarshal.AsBytes(content.AsSpan()), (long)page * Page);
        }
        return file;
    }

    private static int NumberIn(ReadOnlySpan<byte> page)
    {
        var numbers = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(page);
        Assert.False(numbers.ContainsAnyExcept(numbers[0]));
        return numbers[0];
    }
}
