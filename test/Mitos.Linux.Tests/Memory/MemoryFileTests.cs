using FsCheck;
using FsCheck.Xunit;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using Mitos.Linux.Files;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;
using static Mitos.Linux.Abi.SysMman;

namespace Mitos.Linux.Tests.Memory;

public sealed unsafe class MemoryFileTests
{
    private const int Length = 16 * PageBuffer.PageSize;

    [Fact]
    public void A_new_file_is_zero_can_be_written_and_is_not_inherited()
    {
        using var file = MemoryFile.Create("test", Length);
        Assert.False(file.IsSealed);
        Assert.Equal(Length, file.Length);
        Assert.Empty(file.DataRanges());
        RandomAccess.Write(file.Handle, new byte[] { 7 }, Length - 1);
        Assert.Equal(7, Read(file.Handle)[^1]);
        Assert.Equal(1, Libc.Fcntl(file.Descriptor, 1 /* F_GETFD */, 0));
    }

    [Fact]
    public void A_sealed_file_refuses_every_change_through_whatever_descriptor()
    {
        using var file = Sealed(out var content);
        Assert.True(file.IsSealed);
        using var again = FileDescriptors.ReopenWriteOnly(file.Handle);
        foreach (var handle in new[] { file.Handle, again })
        {
            var fd = (int)handle.DangerousGetHandle();
            var value = (byte)1;
            Refused(Libc.Pwrite(fd, &value, 1, 0));
            Refused(Libc.Ftruncate(fd, Length + 4096));
            Refused(Libc.Ftruncate(fd, Length - 4096));
            Refused(Libc.Ftruncate(fd, 0));
            Refused(Libc.Fcntl(fd, Fcntl.F_ADD_SEALS, 0x10));
        }
        Assert.True(Libc.Mmap(null, Length, PROT_READ | PROT_WRITE, 1 /* MAP_SHARED */, file.Descriptor, 0) == (void*)-1);
        Assert.Equal(content, Read(file.Handle));
    }

    [Fact]
    public void A_private_mapping_of_a_sealed_file_is_written_without_changing_it()
    {
        using var file = Sealed(out var content);
        using var mapping = new PrivateMapping(file);
        mapping[3].Fill(0xEE);
        Assert.Equal(content, Read(file.Handle));
        Assert.Equal(0xEE, mapping[3][17]);
    }

    [Fact]
    public void A_file_with_a_writable_shared_mapping_cannot_be_sealed_until_that_is_gone()
    {
        using var file = MemoryFile.Create("test", Length);
        var shared = Libc.Mmap(null, Length, PROT_READ | PROT_WRITE, 1 /* MAP_SHARED */, file.Descriptor, 0);
        var error = Assert.Throws<LinuxException>(file.Seal);
        Assert.Equal(Errno.EBUSY, error.Errno);
        Assert.False(file.IsSealed);
        Assert.Equal(0, Libc.Munmap(shared, Length));
        file.Seal();
        Assert.True(file.IsSealed);
    }

    [Fact]
    public void The_sealed_file_of_another_process_is_opened_with_its_content_and_outlives_it()
    {
        using var file = Sealed(out var content);
        MemoryFile opened;
        using (var subject = new Subject(file))
            opened = MemoryFile.OpenSealed(subject.Process.Id, 3);
        using (opened)
        {
            Assert.True(opened.IsSealed);
            Assert.Equal(Length, opened.Length);
            Assert.Equal(content, Read(opened.Handle));
        }
    }

    [Fact]
    public void What_is_not_sealed_not_a_memory_file_or_not_there_is_not_opened_as_sealed()
    {
        using var open = MemoryFile.Create("test", Length);
        using var scratch = new Scratch();
        using var ordinary = FileDescriptors.OpenOrCreate(scratch["file"]);
        Assert.Equal(Errno.EPERM, Assert.Throws<LinuxException>(() => MemoryFile.OpenSealed(Environment.ProcessId, open.Descriptor)).Errno);
        Assert.Equal(Errno.EPERM, Assert.Throws<LinuxException>(() => MemoryFile.OpenSealed(Environment.ProcessId, (int)ordinary.DangerousGetHandle())).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => MemoryFile.OpenSealed(Environment.ProcessId, 1_000_000)).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => MemoryFile.OpenSealed(int.MaxValue, 3)).Errno);
    }

    [Fact]
    public void A_length_that_cannot_be_is_refused_with_the_name()
    {
        var error = Assert.Throws<LinuxException>(() => MemoryFile.Create("too long", -1));
        Assert.Equal(Errno.EINVAL, error.Errno);
        Assert.Equal("too long", error.Subject);
    }

    [Fact]
    public void The_ranges_of_what_is_closed_or_no_file_are_an_error_and_not_none()
    {
        var file = MemoryFile.Create("test", Length);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.DataRanges().Count());
        var (a, b) = Linux.Sockets.UnixSocket.Pair("test");
        using (a)
        using (b)
        using (var handle = new SafeFileHandle(a.Descriptor, ownsHandle: false))
            Assert.Equal(29 /* ESPIPE */, Assert.Throws<LinuxException>(() => MemoryFile.DataRanges(handle, 1).Count()).Errno);
    }

    [Property(MaxTest = 200)]
    public void The_data_ranges_are_in_order_apart_and_hold_all_that_is_not_zero((byte Page, NonNegativeInt Offset, byte Value)[] writes, bool ordinaryFile)
    {
        const int Pages = 300;
        using var scratch = new Scratch();
        using var handle = ordinaryFile ? FileDescriptors.OpenOrCreate(scratch["file"]) : null;
        using var memory = ordinaryFile ? null : MemoryFile.Create("test", Pages * PageBuffer.PageSize);
        var file = handle ?? memory!.Handle;
        RandomAccess.SetLength(file, Pages * PageBuffer.PageSize);
        foreach (var (page, offset, value) in writes)
            RandomAccess.Write(file, new[] { value }, (page * PageBuffer.PageSize) + (offset.Get % PageBuffer.PageSize));
        var covered = new bool[Pages * PageBuffer.PageSize];
        long last = -1;
        foreach (var (start, end) in MemoryFile.DataRanges(file, covered.Length))
        {
            Assert.True(start > last && end > start && end <= covered.Length);
            covered.AsSpan((int)start, (int)(end - start)).Fill(true);
            last = end;
        }
        var content = Read(file);
        for (var i = 0; i < content.Length; i++)
            Assert.True(covered[i] || content[i] == 0);
        if (writes.Length == 0)
            Assert.Equal(-1, last);
    }

    private static MemoryFile Sealed(out byte[] content)
    {
        var file = MemoryFile.Create("test", Length);
        content = new byte[Length];
        Random.Shared.NextBytes(content);
        RandomAccess.Write(file.Handle, content, 0);
        file.Seal();
        return file;
    }

    private static byte[] Read(SafeFileHandle file)
    {
        var content = new byte[RandomAccess.GetLength(file)];
        Assert.Equal(content.Length, RandomAccess.Read(file, content, 0));
        return content;
    }

    private static void Refused(nint result)
    {
        Assert.Equal(-1, result);
        Assert.Equal(Errno.EPERM, System.Runtime.InteropServices.Marshal.GetLastPInvokeError());
    }
}
