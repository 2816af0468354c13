using FsCheck.Xunit;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Tests;

public sealed class WireTests
{
    [Property(MaxTest = 300)]
    public void Fields_read_as_they_were_written(ulong number, int integer, long signed, bool flag, byte[] bytes, string[] texts)
    {
        var clean = texts.Select(text => new string((text ?? "").Where(c => !char.IsSurrogate(c)).ToArray())).ToArray();
        var writer = new WireWriter().Number(number).Number(integer).Signed(signed).Flag(flag).Bytes(bytes).Texts(clean).Raw(bytes);
        var reader = new WireReader(writer.Written);
        Assert.Equal(number, reader.Number());
        Assert.Equal(integer, reader.Int32());
        Assert.Equal(signed, reader.Signed());
        Assert.Equal(flag, reader.Flag());
        Assert.Equal(bytes, reader.Bytes().ToArray());
        Assert.Equal(clean, reader.Texts());
        Assert.Equal(bytes, reader.Rest().ToArray());
        Assert.False(reader.Failed);
    }

    [Property(MaxTest = 500)]
    public void Hostile_bytes_fail_without_throwing(byte[] bytes)
    {
        var reader = new WireReader(bytes);
        reader.Number();
        reader.Texts();
        reader.Map();
        reader.Bytes();
        reader.Signed();
        reader.Text();
        reader.Number();
        Assert.True(reader.Failed || bytes.Length > 8);
    }

    [Fact]
    public void A_count_that_lies_allocates_nothing()
    {
        var reader = new WireReader(new WireWriter().Number(ulong.MaxValue).Written);
        Assert.Empty(reader.Texts());
        Assert.True(reader.Failed);
    }

    [Fact]
    public void A_key_survives_the_wire()
    {
        var key = ProcessKey.New();
        var writer = new WireWriter();
        key.Write(writer);
        Assert.Equal(key, ProcessKey.Read(writer.Written));
        Assert.Equal(32, key.ToString().Length);
    }
}
