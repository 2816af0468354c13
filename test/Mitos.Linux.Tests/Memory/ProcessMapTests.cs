using System.Globalization;
using Mitos.Linux.Abi;
using Mitos.Linux.Memory;
using Mitos.Linux.Tests.Hosting;
using static Mitos.Linux.Abi.SysMman;

namespace Mitos.Linux.Tests.Memory;

public sealed unsafe class ProcessMapTests
{
    [Fact]
    public void A_mapping_is_found_with_its_place_offset_and_inode()
    {
        using var file = MemoryFile.Create("a name with blanks", 16 * 4096);
        using var whole = new PrivateMapping(file);
        var part = Libc.Mmap(null, 4 * 4096, PROT_READ, MAP_PRIVATE, file.Descriptor, 8 * 4096);
        try
        {
            var maps = ProcessMap.Find(Environment.ProcessId, "/memfd:a name with blanks");
            var inode = ulong.Parse(File.ReadLines($"/proc/self/fdinfo/{file.Descriptor}").Single(line => line.StartsWith("ino:", StringComparison.Ordinal))[4..].Trim(), CultureInfo.InvariantCulture);
            Assert.All(maps, map => Assert.Equal(inode, map.Inode));
            Assert.Contains(maps, map => map.Start == whole.Address && map.End == whole.Address + (16 * 4096) && map.Offset == 0);
            Assert.Contains(maps, map => map.Start == (ulong)part && map.End == (ulong)part + (4 * 4096) && map.Offset == 8 * 4096);
            Assert.Equal(2, maps.Count);
        }
        finally
        {
            _ = Libc.Munmap(part, 4 * 4096);
        }
    }

    [Fact]
    public void Another_process_has_its_mapping_where_it_says()
    {
        using var file = MemoryFile.Create("of the subject", 64 * 4096);
        using var subject = new Subject(file);
        var map = Assert.Single(ProcessMap.Find(subject.Process.Id, "/memfd:of the subject"));
        Assert.Equal(subject.Address, map.Start);
        Assert.Empty(ProcessMap.Find(subject.Process.Id, "/memfd:of another"));
    }

    [Fact]
    public void A_process_that_is_gone_is_an_error() =>
        Assert.ThrowsAny<IOException>(() => ProcessMap.Find(int.MaxValue, "/"));
}
