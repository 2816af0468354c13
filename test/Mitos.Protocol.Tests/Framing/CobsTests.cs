using FsCheck.Xunit;
using Mitos.Protocol.Framing;

namespace Mitos.Protocol.Tests.Framing;

public sealed class CobsTests
{
    [Property]
    public void What_was_encoded_is_decoded_and_has_no_zero(byte[] bytes)
    {
        var encoded = Encode(bytes);
        Assert.DoesNotContain((byte)0, encoded);
        Assert.True(Cobs.TryDecode(encoded, out var length));
        Assert.Equal(bytes, encoded[..length]);
    }

    [Theory]
    [InlineData("", "01")]
    [InlineData("00", "0101")]
    [InlineData("0000", "010101")]
    [InlineData("11220033", "0311220233")]
    [InlineData("11223344", "0511223344")]
    [InlineData("11000000", "0211010101")]
    public void The_examples_of_the_paper_are_encoded_as_it_says(string plain, string encoded) =>
        Assert.Equal(encoded, Convert.ToHexString(Encode(Convert.FromHexString(plain))));

    [Fact]
    public void Runs_around_a_block_s_length_come_back()
    {
        for (var length = 0; length < 1024; length++)
        {
            foreach (var zeroAt in (int[])[-1, 0, 253, 254, 255, length - 1])
            {
                var bytes = new byte[length];
                Array.Fill(bytes, (byte)7);
                if (zeroAt >= 0 && zeroAt < length)
                    bytes[zeroAt] = 0;
                var encoded = Encode(bytes);
                Assert.True(encoded.Length <= Cobs.MaxEncodedLength(length));
                Assert.True(Cobs.TryDecode(encoded, out var decoded));
                Assert.Equal(bytes, encoded[..decoded]);
            }
        }
    }

    [Property(MaxTest = 1000)]
    public void Arbitrary_bytes_are_decoded_or_refused_and_never_grow(byte[] bytes)
    {
        var copy = bytes.ToArray();
        if (Cobs.TryDecode(copy, out var length))
            Assert.InRange(length, 0, bytes.Length);
        else
            Assert.NotEmpty(bytes);
    }

    private static byte[] Encode(byte[] bytes)
    {
        var target = new byte[Cobs.MaxEncodedLength(bytes.Length)];
        return target[..Cobs.Encode(bytes, target)];
    }
}
