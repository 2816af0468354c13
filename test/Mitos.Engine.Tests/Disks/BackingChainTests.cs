using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Xunit;
using Mitos.Engine.Disks;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Disks;

/// <summary>Our empty images as layers above each other, written by QEMU, read back by QEMU, compared with an array of bytes.</summary>
public sealed class BackingChainTests
{
    private const int Sector = 512;

    public sealed record Write(ushort Sector, byte Sectors, byte Value);

    [Property(MaxTest = 12)]
    public void A_chain_of_layers_reads_as_what_was_written_last(PositiveInt sizeInSectors, Write[][] writesOfLayers)
    {
        using var scratch = new Scratch();
        var size = (long)(64 + (sizeInSectors.Get * 37 % 20_000)) * Sector;
        var expected = new byte[size];
        Random.Shared.NextBytes(expected);
        File.WriteAllBytes(scratch["base"], expected);
        var node = new JsonObject { ["driver"] = "raw", ["file"] = FileNode(scratch["base"]) };
        var before = expected.ToArray();
        foreach (var (index, writes) in writesOfLayers.Take(5).Index())
        {
            var path = scratch[$"layer{index}"];
            var empty = Qcow2Image.CreateEmpty(path, size);
            node = new JsonObject { ["driver"] = "qcow2", ["file"] = FileNode(path), ["backing"] = node };
            var commands = new List<string>();
            foreach (var write in writes.Where(write => write is not null && write.Sectors > 0))
            {
                var start = write.Sector % (size / Sector) * Sector;
                var length = Math.Min(write.Sectors * Sector, size - start);
                commands.AddRange(["-c", $"write -P {write.Value} {start} {length}"]);
                expected.AsSpan((int)start, (int)length).Fill(write.Value);
            }
            if (commands.Count > 0)
                Tool.Run("qemu-io", [.. commands, "json:" + node.ToJsonString()]);
            Assert.Equal(commands.Count > 0, new FileInfo(path).Length != empty); // how the pause section knows whether a disk was written to
            var check = Tool.Query("qemu-img", "check", "-f", "qcow2", "--output=json", path);
            Assert.Equal((0, 0), ((int?)check["corruptions"] ?? 0, (int?)check["leaks"] ?? 0));
        }
        Tool.Run("qemu-img", "convert", "-O", "raw", "json:" + node.ToJsonString(), scratch["raw"]);
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(scratch["raw"])));
        Assert.True(before.AsSpan().SequenceEqual(File.ReadAllBytes(scratch["base"])));
    }

    [Fact]
    public void The_chain_is_what_qemu_img_says_once_the_images_name_each_other()
    {
        using var scratch = new Scratch();
        const long Size = 10 << 20;
        File.WriteAllBytes(scratch["base"], new byte[Size]);
        var (below, format) = (scratch["base"], "raw");
        foreach (var name in (string[])["one", "two", "three"])
        {
            Qcow2Image.CreateEmpty(scratch[name], Size);
            Tool.Run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", format, "-b", below, scratch[name]); // the header has room for it
            (below, format) = (scratch[name], "qcow2");
        }
        var chain = Tool.Query("qemu-img", "info", "--backing-chain", "--output=json", scratch["three"]).AsArray();
        Assert.Equal([scratch["three"], scratch["two"], scratch["one"], scratch["base"]], chain.Select(image => (string)image!["filename"]!));
        Assert.All(chain, image => Assert.Equal(Size, (long)image!["virtual-size"]!));
    }

    private static JsonObject FileNode(string path) => new() { ["driver"] = "file", ["filename"] = path };
}
