using FsCheck.Xunit;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Tests.Messages;

public sealed class WireTests
{
    [Property]
    public void Every_kind_of_field_comes_back(ulong number, int word, long signed, bool flag, byte[] bytes, string[] texts)
    {
        var valid = texts.Select(text => new string((text ?? "").Where(c => !char.IsSurrogate(c)).ToArray())).ToArray();
        var writer = new WireWriter();
        writer.Number(number).Number(word).Signed(signed).Flag(flag).Bytes(bytes).Texts(valid)
            .Map(valid.Distinct().ToDictionary(text => text, text => text + "é€😀")).Raw([1, 2, 3]);
        var reader = new WireReader(writer.Written);
        Assert.Equal(number, reader.Number());
        Assert.Equal(word, reader.Int32());
        Assert.Equal(signed, reader.Signed());
        Assert.Equal(flag, reader.Flag());
        Assert.Equal(bytes, reader.Bytes().ToArray());
        Assert.Equal(valid, reader.Texts());
        Assert.Equal(valid.Distinct().ToDictionary(text => text, text => text + "é€😀"), reader.Map());
        Assert.Equal([1, 2, 3], reader.Rest().ToArray());
        Assert.False(reader.Failed);
    }

    [Property]
    public void A_message_cut_at_any_byte_reads_as_failed_and_empty(string[] texts, byte[] bytes)
    {
        var writer = new WireWriter();
        writer.Texts(texts.Select(text => text ?? "").ToArray()).Bytes(bytes).Signed(1);
        for (var cut = 0; cut < writer.Written.Length; cut++)
        {
            var reader = new WireReader(writer.Written[..cut]);
            reader.Texts();
            reader.Bytes();
            reader.Signed();
            Assert.True(reader.Failed);
            Assert.Equal(0ul, reader.Number());
            Assert.Equal("", reader.Text());
        }
    }

    [Property(MaxTest = 1000)]
    public void Arbitrary_bytes_never_throw_and_cost_no_more_than_their_length(byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var reader = new WireReader(bytes);
        reader.Map();
        reader.Texts();
        reader.Text();
        reader.Count();
        reader.Int32();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16384 + (bytes.Length * 64));
    }

    [Theory]
    [InlineData("FFFFFFFFFFFFFFFFFFFF01")] // an eleventh byte
    [InlineData("80")] // goes on, but nothing follows
    [InlineData("")]
    public void A_number_that_does_not_end_fails(string hex)
    {
        var reader = new WireReader(Convert.FromHexString(hex));
        Assert.Equal(0ul, reader.Number());
        Assert.True(reader.Failed);
    }

    [Fact]
    public void A_length_beyond_the_message_fails_without_allocating_it()
    {
        var writer = new WireWriter();
        writer.Number(ulong.MaxValue).Raw([1]);
        var bytes = new WireReader(writer.Written);
        Assert.True(bytes.Bytes().IsEmpty && bytes.Failed);
        var list = new WireReader(writer.Written);
        Assert.True(list.Texts().Length == 0 && list.Failed);
        writer.Clear();
        writer.Number(16000).Raw([1]);
        var count = new WireReader(writer.Written);
        Assert.True(count.Count() == 0 && count.Failed);
    }

    [Fact]
    public void A_process_key_is_its_sixteen_bytes()
    {
        var key = ProcessKey.New();
        var writer = new WireWriter();
        key.Write(writer);
        Assert.Equal(ProcessKey.Length, writer.Written.Length);
        Assert.Equal(key, ProcessKey.Read(writer.Written));
        Assert.Equal(default, ProcessKey.Read(writer.Written[1..]));
        Assert.NotEqual(key, ProcessKey.New());
    }
}
