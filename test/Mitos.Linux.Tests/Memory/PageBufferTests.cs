using Mitos.Linux.Memory;

namespace Mitos.Linux.Tests.Memory;

public sealed class PageBufferTests
{
    [Theory]
    [InlineData(0, 4096)]
    [InlineData(1, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(4097, 8192)]
    public void The_length_is_whole_pages_at_least_one(long asked, long length)
    {
        using var buffer = new PageBuffer(asked);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(length, buffer.AsSpan(0, (int)length).Length);
    }

    [Fact]
    public unsafe void All_pages_are_present_before_anybody_touches_them()
    {
        using var buffer = new PageBuffer(1000 * PageBuffer.PageSize);
        using var map = new PageMap(Environment.ProcessId);
        var runs = new List<PageRun>();
        Assert.Equal(1000, map.FindPrivate((ulong)buffer.Address, buffer.Length, runs));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 8193)]
    [InlineData(8192, 1)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(0, -1)]
    public void What_lies_outside_is_refused(long offset, int length)
    {
        using var buffer = new PageBuffer(8192);
        Assert.Throws<ArgumentOutOfRangeException>(() => { buffer.AsSpan(offset, length); });
    }

    [Fact]
    public void A_disposed_buffer_is_refused_and_can_be_disposed_again()
    {
        var buffer = new PageBuffer(1);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { buffer.AsSpan(0, 1); });
    }

    [Fact]
    public void More_memory_than_there_can_be_is_an_error_that_says_how_much()
    {
        var error = Assert.Throws<LinuxException>(() => new PageBuffer(1L << 60));
        Assert.Contains($"{1L << 40} MiB", error.Message, StringComparison.Ordinal);
    }
}
