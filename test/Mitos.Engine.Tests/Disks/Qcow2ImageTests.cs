using FsCheck;
using FsCheck.Xunit;
using Mitos.Engine.Disks;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Disks;

/// <summary>What we write is judged by qemu-img.</summary>
public sealed class Qcow2ImageTests
{
    [Property(MaxTest = 40)]
    public void An_empty_image_of_any_size_is_sound_as_large_as_asked_and_of_the_length_that_was_told(PositiveInt sectors, byte shift)
    {
        var size = (long)sectors.Get << (9 + (shift % 32)); // up to some TiB
        AssertSound(size);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(Qcow2Image.ClusterSize - 512)]
    [InlineData(Qcow2Image.ClusterSize)]
    [InlineData(512L << 20)] // one table of the second level covers this much
    [InlineData((512L << 20) + 512)]
    [InlineData(8192L << 20)] // what machines have
    [InlineData((4L << 40) - 512)] // one cluster of the first level's table covers 4 TiB
    [InlineData(4L << 40)]
    [InlineData((4L << 40) + 512)]
    [InlineData(1L << 50)]
    public void Sizes_around_the_tables_limits_are_sound(long size) => AssertSound(size);

    [Theory]
    [InlineData(0)]
    [InlineData(-512)]
    [InlineData(511)]
    [InlineData(long.MaxValue)]
    public void A_size_that_no_disk_can_have_is_refused_and_no_file_made(long size)
    {
        using var scratch = new Scratch();
        Assert.Throws<ArgumentOutOfRangeException>(() => Qcow2Image.CreateEmpty(scratch["image"], size));
        Assert.Throws<ArgumentOutOfRangeException>(() => Qcow2Image.EmptyLength(size));
        Assert.Empty(Directory.GetFiles(scratch.Root));
    }

    [Fact]
    public void An_empty_image_reads_as_zeros()
    {
        using var scratch = new Scratch();
        const int Size = (3 << 20) + 512;
        Qcow2Image.CreateEmpty(scratch["image"], Size);
        Tool.Run("qemu-img", "convert", "-O", "raw", scratch["image"], scratch["raw"]);
        var bytes = File.ReadAllBytes(scratch["raw"]);
        Assert.Equal(Size, bytes.Length);
        Assert.False(bytes.AsSpan().ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_path_that_is_taken_is_refused_and_the_file_there_stays()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch["image"], "precious");
        Assert.Throws<IOException>(() => Qcow2Image.CreateEmpty(scratch["image"], 1 << 20));
        Assert.Equal("precious", File.ReadAllText(scratch["image"]));
    }

    [Fact]
    public void Only_its_owner_may_read_it_and_it_takes_little_room()
    {
        using var scratch = new Scratch();
        Qcow2Image.CreateEmpty(scratch["image"], 8L << 30);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(scratch["image"]));
        Assert.InRange(long.Parse(Tool.Run("stat", "-c", "%b", scratch["image"]).Trim()) * 512, 0, 64 << 10);
    }

    private static void AssertSound(long size)
    {
        using var scratch = new Scratch();
        var length = Qcow2Image.CreateEmpty(scratch["image"], size);
        Assert.Equal(length, new FileInfo(scratch["image"]).Length);
        Assert.Equal(length, Qcow2Image.EmptyLength(size));
        var check = Tool.Query("qemu-img", "check", "-f", "qcow2", "--output=json", scratch["image"]);
        Assert.Equal((0, 0, 0), ((int?)check["corruptions"] ?? 0, (int?)check["leaks"] ?? 0, (int)check["check-errors"]!));
        Assert.Equal(length, (long)check["image-end-offset"]!);
        var info = Tool.Query("qemu-img", "info", "-f", "qcow2", "--output=json", scratch["image"]);
        Assert.Equal((size, Qcow2Image.ClusterSize, "1.1"), ((long)info["virtual-size"]!, (int)info["cluster-size"]!, (string)info["format-specific"]!["data"]!["compat"]!));
        Assert.False((bool)info["dirty-flag"]!);
        Assert.Null(info["backing-filename"]);
    }
}
