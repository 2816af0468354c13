using Mitos.Linux.Files;
using Mitos.Linux.Tests.Hosting;

namespace Mitos.Linux.Tests.Files;

public sealed class FileOwnerTests
{
    [Theory]
    [InlineData(0x180, 2_000_000_001, -2)] // 0600
    [InlineData(0x1B0, 2_000_000_001, 2_000_000_001)] // 0660
    [InlineData(0x1B0, 0, -2)] // the group of root
    [InlineData(0x1A4, 2_000_000_001, -2)] // 0644
    [InlineData(0x1B6, 0, -1)] // 0666
    public void Who_beside_its_owner_can_use_a_file_is_told_by_its_mode_and_group(int mode, int group, int expected)
    {
        Needs.Root("only root gives files away");
        using var scratch = new Scratch();
        var path = scratch["file"];
        File.WriteAllText(path, "");
        FileOwner.Set(path, group);
        File.SetUnixFileMode(path, (UnixFileMode)mode);
        var access = FileOwner.ReadAccess(path);
        Assert.Equal(expected, access.Group);
        Assert.Equal(expected >= 0 ? [group] : [], access.Groups);
        Assert.Equal(expected >= -1, access.IsShared);
        Assert.Equal(FileAccessBy.None, FileOwner.ReadAccess(scratch["none"]));
    }
}
