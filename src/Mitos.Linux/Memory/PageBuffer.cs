using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysMman;

namespace Mitos.Linux.Memory;

/// <summary>Page-aligned memory outside the managed heap for pages of guests.</summary>
public sealed unsafe class PageBuffer : IDisposable
{
    /// <summary>Bytes of a page on x86-64.</summary>
    public const int PageSize = 4096;

    private void* _address;

    /// <summary>Allocates <paramref name="length"/> bytes, rounded up to pages. Of huge pages where the host has some.</summary>
    /// <param name="length">Bytes.</param>
    /// <param name="present">Whether the pages are there at once: a cold buffer would cost 1 ms/MiB in a pause. Otherwise they come when they are touched, by whichever thread does.</param>
    /// <exception cref="LinuxException">ENOMEM.</exception>
    public PageBuffer(long length, bool present = true)
    {
        Length = Math.Max(PageSize, (length + PageSize - 1) / PageSize * PageSize);
        _address = Libc.Mmap(null, (nuint)Length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (_address == (void*)-1)
        {
            _address = null;
            throw LinuxException.FromLastError("mmap", $"a capture buffer of {Length >> 20} MiB");
        }
        _ = Libc.Madvise(_address, (nuint)Length, MADV_HUGEPAGE); // a fault per 2 MiB instead of 512; a host without has small ones
        if (!present || Libc.Madvise(_address, (nuint)Length, MADV_POPULATE_WRITE) == 0)
            return;
        var error = LinuxException.FromLastError("madvise", $"a capture buffer of {Length >> 20} MiB");
        if (error.Errno != Errno.EINVAL) // before Linux 5.14
        {
            Dispose();
            throw error;
        }
        for (long at = 0; at < Length; at += PageSize)
            Address[at] = 0;
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
