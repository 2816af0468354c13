using Mitos.Linux.Abi;
using Mitos.Linux.Memory;
using static Mitos.Linux.Abi.SysMman;

namespace Mitos.Linux.Tests.Hosting;

/// <summary>A private mapping of a memory file in this process.</summary>
internal sealed unsafe class PrivateMapping : IDisposable
{
    private readonly byte* _address;
    private readonly long _length;

    public PrivateMapping(MemoryFile file)
    {
        _length = file.Length;
        _address = (byte*)Libc.Mmap(null, (nuint)_length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.Descriptor, 0);
        Assert.True(_address != (void*)-1);
    }

    public ulong Address => (ulong)_address;

    public Span<byte> this[int page] => new(_address + ((long)page * PageBuffer.PageSize), PageBuffer.PageSize);

    /// <summary>Drops a page of its own: it is the file's again.</summary>
    public void Discard(int page) => Advise(page, 4 /* MADV_DONTNEED */);

    /// <summary>Asks the kernel to write a page to swap, where there is some.</summary>
    public void PageOut(int page) => Advise(page, 21 /* MADV_PAGEOUT */);

    public void Dispose() => _ = Libc.Munmap(_address, (nuint)_length);

    private void Advise(int page, int advice)
    {
        fixed (byte* at = this[page])
            Assert.Equal(0, Libc.Madvise(at, PageBuffer.PageSize, advice));
    }
}
