using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using Mitos.Linux.Files;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Files;

public sealed class FileDescriptorsTests
{
    [Fact]
    public void Each_way_of_opening_gives_exactly_its_rights_and_is_not_inherited()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch["file"], "text");
        using var read = FileDescriptors.OpenRead(scratch["file"]);
        using var both = FileDescriptors.OpenReadWrite(scratch["file"]);
        using var create = FileDescriptors.OpenOrCreate(scratch["file"]);
        using var write = FileDescriptors.ReopenWriteOnly(both);
        Assert.Equal([0, 2, 2, 1], new[] { read, both, create, write }.Select(handle => Fcntl(handle, 3 /* F_GETFL */) & 3));
        Assert.All(new[] { read, both, create, write }, handle => Assert.Equal(1, Fcntl(handle, 1 /* F_GETFD */)));
        Assert.Equal("text", File.ReadAllText(scratch["file"]));
    }

    [Fact]
    public void A_memory_file_is_reopened_for_writing_only()
    {
        using var file = MemoryFile.Create("state", 0);
        using var write = FileDescriptors.ReopenWriteOnly(file.Handle);
        RandomAccess.Write(write, "abc"u8, 0);
        Assert.Equal(3, RandomAccess.GetLength(file.Handle));
        Assert.Throws<UnauthorizedAccessException>(() => RandomAccess.Read(write, new byte[3], 0));
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch["file"], "text");
        File.CreateSymbolicLink(scratch["link"], scratch["file"]);
        File.CreateSymbolicLink(scratch["dangling"], scratch["elsewhere"]);
        foreach (var open in (Func<string, SafeFileHandle>[])[FileDescriptors.OpenRead, FileDescriptors.OpenReadWrite, FileDescriptors.OpenOrCreate])
        {
            Assert.Equal(40 /* ELOOP */, Assert.Throws<LinuxException>(() => open(scratch["link"])).Errno);
            Assert.Equal(40 /* ELOOP */, Assert.Throws<LinuxException>(() => open(scratch["dangling"])).Errno);
        }
        Assert.False(File.Exists(scratch["elsewhere"]));
    }

    [Fact]
    public void A_file_that_is_missing_is_an_error_or_made_for_its_owner_alone()
    {
        using var scratch = new Scratch();
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => FileDescriptors.OpenRead(scratch["new"])).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => FileDescriptors.OpenReadWrite(scratch["new"])).Errno);
        using var made = FileDescriptors.OpenOrCreate(scratch["new"]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(scratch["new"]));
    }

    [Fact]
    public void A_lock_excludes_every_other_descriptor_until_it_is_closed()
    {
        using var scratch = new Scratch();
        using var second = FileDescriptors.OpenOrCreate(scratch["lock"]);
        using (var first = FileDescriptors.OpenOrCreate(scratch["lock"]))
        {
            Assert.True(FileDescriptors.TryLock(first));
            Assert.True(FileDescriptors.TryLock(first));
            Assert.False(FileDescriptors.TryLock(second));
        }
        Assert.True(FileDescriptors.TryLock(second));
    }

    private static int Fcntl(SafeFileHandle handle, int command) => Libc.Fcntl((int)handle.DangerousGetHandle(), command, 0);
}
