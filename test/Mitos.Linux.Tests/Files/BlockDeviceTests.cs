using Mitos.Linux.Files;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Files;

/// <summary>Which disk a directory lies on, by lists of mounts and a directory made like sysfs; and on this host.</summary>
public sealed class BlockDeviceTests : IDisposable
{
    private const string Mounts = """
        27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
        28 27 8:3 / /srv rw shared:5 master:2 - xfs /dev/sda3 rw
        29 27 0:44 /sub /data rw - btrfs /dev/sdb1 rw,subvol=/sub
        30 27 0:45 / /merged rw - overlay overlay rw,lowerdir=/a
        31 27 0:46 / /tmp rw - tmpfs tmpfs rw
        32 27 7:0 / /volume rw - xfs /dev/loop0 rw
        33 27 9:9 / /gone rw - ext4 /dev/gone rw
        """;

    private readonly Scratch _sys = new();

    public BlockDeviceTests()
    {
        foreach (var (disk, number, parts) in (ReadOnlySpan<(string, string, (string, string)[])>)[("vda", "254:0", []), ("sda", "8:0", [("sda3", "8:3")]), ("sdb", "8:16", [("sdb1", "8:17")]), ("loop0", "7:0", [])])
        {
            Add(_sys[$"devices/{disk}"], disk, number);
            foreach (var (part, partNumber) in parts)
                File.WriteAllText(Path.Combine(Add(_sys[$"devices/{disk}/{part}"], part, partNumber), "partition"), "1\n");
        }
    }

    [Theory]
    [InlineData(27, "254:0")]
    [InlineData(28, "8:0")] // a partition: its disk
    [InlineData(29, "8:16")] // numbers of its own: the disk below
    [InlineData(32, "7:0")]
    [InlineData(30, null)]
    [InlineData(31, null)]
    [InlineData(33, null)]
    [InlineData(99, null)]
    public void The_whole_disk_is_found_or_none(int mount, string? expected) => Assert.Equal(expected, BlockDevice.Of(mount, Mounts.Split('\n'), _sys.Root));

    [Fact]
    public void A_directory_that_is_not_there_lies_where_it_would_be()
    {
        Assert.Equal(BlockDevice.Of("/var/tmp"), BlockDevice.Of("/var/tmp/mitos-none/none"));
        Assert.Null(BlockDevice.Of("/proc/self"));
        if (BlockDevice.Of("/") is { } disk)
            Assert.True(Directory.Exists("/sys/dev/block/" + disk) && !File.Exists($"/sys/dev/block/{disk}/partition"), disk);
    }

    public void Dispose() => _sys.Dispose();

    private string Add(string directory, string name, string number)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "dev"), number + "\n");
        foreach (var link in (string[])[_sys["dev/block/" + number], _sys["class/block/" + name]])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(link)!);
            Directory.CreateSymbolicLink(link, directory);
        }
        return directory;
    }
}
