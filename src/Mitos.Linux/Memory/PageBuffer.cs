using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysMman;

namespace Mitos.Linux.Memory;

/// <summary>Page-aligned memory outside the managed heap whose pages are present before they are needed.</summary>
public sealed unsafe class PageBuffer : IDisposable
{
    /// <summary>Bytes of a page on x86-64.</summary>
    public const int PageSize = 4096;

    private void* _address;

    /// <summary>Allocates and touches <paramref name="length"/> bytes, rounded up to pages; a cold buffer would cost 1 ms/MiB in a pause.</summary>
    /// <exception cref="LinuxException">ENOMEM.</exception>
    public PageBuffer(long length)
    {
        Length = Math.Max(PageSize, (length + PageSize - 1) / PageSize * PageSize);
        _address = Libc.Mmap(null, (nuint)Length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (_address == (void*)-1)
        {
            _address = null;
            throw LinuxException.FromLastError("mmap", $"a capture buffer of {Length >> 20} MiB");
        }
    }

    public long Length { get; }

    internal byte* Address => _address != null ? (byte*)_address : throw new ObjectDisposedException(nameof(PageBuffer));

    public Span<byte> AsSpan(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new Span<byte>(Address + offset, length);
    }

    public void Dispose()
    {
        if (_address != null)
            _ = Libc.Munmap(_address, (nuint)Length);
        _address = null;
        GC.SuppressFinalize(this);
    }

    ~PageBuffer() => Dispose();
}
