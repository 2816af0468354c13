using FsCheck.Xunit;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Tests;

public sealed class FramingTests
{
    [Property(MaxTest = 500)]
    public void What_is_encoded_decodes_to_itself_and_holds_no_zero(byte[] bytes)
    {
        var encoded = new byte[Cobs.MaxEncodedLength(bytes.Length)];
        var length = Cobs.Encode(bytes, encoded);
        Assert.DoesNotContain((byte)0, encoded[..length]);
        Assert.True(Cobs.TryDecode(encoded.AsSpan(0, length), out var decoded));
        Assert.Equal(bytes, encoded[..decoded]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(253)]
    [InlineData(254)]
    [InlineData(255)]
    [InlineData(508)]
    [InlineData(509)]
    [InlineData(65536)]
    public void Blocks_of_every_length_and_content_survive(int length)
    {
        foreach (var fill in new byte[] { 0, 1, 255 })
        {
            var bytes = Enumerable.Repeat(fill, length).ToArray();
            var encoded = new byte[Cobs.MaxEncodedLength(length)];
            var end = Cobs.Encode(bytes, encoded);
            Assert.True(Cobs.TryDecode(encoded.AsSpan(0, end), out var decoded));
            Assert.Equal(bytes, encoded[..decoded]);
        }
    }

    [Property(MaxTest = 300)]
    public void After_a_stream_that_was_cut_anywhere_a_zero_puts_the_reader_in_step(byte[][] payloads, int cut, byte[] garbage)
    {
        var writer = new FrameWriter();
        var before = payloads.SelectMany((payload, i) => Frame(writer, (uint)i, payload)).ToArray();
        var stream = before[..(before.Length == 0 ? 0 : (int)((uint)cut % (uint)before.Length))];
        byte[] rest = [.. garbage, 0, .. payloads.SelectMany((payload, i) => Frame(writer, 1000 + (uint)i, payload))];
        var seen = Read([.. stream, .. rest], chunk: 7);
        Assert.Equal(payloads, seen.Where(frame => frame.Id >= 1000).Select(frame => frame.Payload));
    }

    [Property(MaxTest = 300)]
    public void Bytes_that_are_no_frame_are_dropped_and_never_throw(byte[] noise)
    {
        var reader = new FrameReader();
        var frames = 0;
        reader.Push(noise, (in Frame _) => frames++);
        reader.Push([0], (in Frame _) => frames++);
        Assert.Equal(0, frames);
    }

    [Fact]
    public void A_flipped_bit_anywhere_in_a_frame_drops_that_frame_only()
    {
        var writer = new FrameWriter();
        var first = Frame(writer, 1, [1, 2, 3, 0, 4]).ToArray();
        var second = Frame(writer, 2, [5]).ToArray();
        for (var bit = 0; bit < (first.Length - 1) * 8; bit++)
        {
            var damaged = (byte[])first.Clone();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal([2u], Read([.. damaged, .. second], chunk: 64).Select(frame => frame.Id));
        }
    }

    [Fact]
    public void A_stream_without_a_zero_takes_no_memory_without_end()
    {
        var reader = new FrameReader();
        var chunk = Enumerable.Repeat((byte)1, 1 << 20).ToArray();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 64; i++)
            reader.Push(chunk, (in Frame _) => Assert.Fail("a frame of nothing"));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        reader.Push([0], (in Frame _) => Assert.Fail("a frame of nothing"));
        Assert.Equal(1, reader.Dropped);
    }

    [Fact]
    public void A_payload_that_is_too_long_is_refused_by_the_writer()
    {
        var writer = new FrameWriter();
        writer.Begin().Raw(new byte[Framing.Frame.MaxPayload + 1]);
        Assert.Throws<InvalidOperationException>(() => writer.Finish(1, 1, MessageType.Ping).Length);
    }

    [Fact]
    public void The_checksum_is_crc32c() => Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8)); // the check value of RFC 3720's polynomial

    [Fact]
    public void Random_streams_of_mixed_noise_and_frames_never_throw_and_never_invent()
    {
        var random = new Random(42);
        var writer = new FrameWriter();
        for (var round = 0; round < 300; round++)
        {
            var stream = new List<byte>();
            var sent = new List<uint>();
            for (var i = 0; i < 20; i++)
            {
                if (random.Next(2) == 0)
                {
                    var noise = new byte[random.Next(300)];
                    random.NextBytes(noise);
                    stream.AddRange(noise);
                    stream.Add(0);
                }
                var id = (uint)random.Next(1, int.MaxValue);
                sent.Add(id);
                stream.AddRange(Frame(writer, id, new byte[random.Next(1000)]));
            }
            Assert.Equal(sent, Read([.. stream], random.Next(1, 5000)).Select(frame => frame.Id));
        }
    }

    private static List<byte> Frame(FrameWriter writer, uint id, byte[] payload)
    {
        writer.Begin().Raw(payload);
        return [.. writer.Finish(7, id, MessageType.Ping)];
    }

    private static List<(uint Id, byte[] Payload)> Read(byte[] stream, int chunk)
    {
        var reader = new FrameReader();
        var frames = new List<(uint, byte[])>();
        for (var at = 0; at < stream.Length; at += chunk)
        {
            reader.Push(stream.AsSpan(at, Math.Min(chunk, stream.Length - at)), (in Frame frame) =>
            {
                Assert.Equal(7ul, frame.Session);
                frames.Add((frame.Id, frame.Payload.ToArray()));
            });
        }
        return frames;
    }
}
