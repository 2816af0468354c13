using FsCheck;
using FsCheck.Xunit;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Tests.Framing;

public sealed class FrameReaderTests
{
    private static readonly ReceivedFrame[] Valid =
    [
        new(0x0102030405060708, 1, MessageType.Ping, ""),
        new(ulong.MaxValue, uint.MaxValue, MessageType.Output, "00FF00FF00"),
        new(0, 0, MessageType.Start, Convert.ToHexString(new byte[300])),
        new(7, 9, MessageType.Stdin, Convert.ToHexString(Enumerable.Range(0, 600).Select(i => (byte)i).ToArray())),
    ];

    [Property]
    public void A_frame_comes_back_however_the_stream_is_cut_into_pieces(ulong session, uint id, byte type, byte[] payload, PositiveInt piece)
    {
        var frame = new ReceivedFrame(session, id, (MessageType)type, Convert.ToHexString(payload));
        Assert.Equal([frame], ReceivedFrame.Parse(frame.Encode(), piece.Get));
    }

    [Fact]
    public void A_stream_cut_at_any_byte_is_in_step_again_after_a_zero()
    {
        var stream = Valid.SelectMany(frame => frame.Encode()).ToArray();
        for (var cut = 0; cut <= stream.Length; cut++)
        {
            var reader = new FrameReader();
            ReceivedFrame.Parse(stream.AsSpan(0, cut), 97, reader);
            var found = ReceivedFrame.Parse([0, .. stream], 97, reader);
            Assert.Equal(Valid, found[^Valid.Length..]);
            // the zero may complete the frame that lacked only its own
            Assert.True(found.Count == Valid.Length || (found.Count == Valid.Length + 1 && Valid.Contains(found[0])));
        }
    }

    [Fact]
    public void A_stream_that_begins_at_any_byte_gives_all_frames_after_the_first_zero()
    {
        var first = Valid[3].Encode();
        for (var begin = 1; begin < first.Length; begin++)
        {
            byte[] stream = [.. first.AsSpan(begin), .. Valid[0].Encode(), .. Valid[1].Encode()];
            Assert.Equal([Valid[0], Valid[1]], ReceivedFrame.Parse(stream, 64));
        }
    }

    [Property(MaxTest = 300)]
    public void Noise_before_a_zero_hides_no_frame(byte[] noise, PositiveInt piece)
    {
        byte[] stream = [.. noise, 0, .. Valid[1].Encode(), .. Valid[2].Encode()];
        Assert.Equal([Valid[1], Valid[2]], ReceivedFrame.Parse(stream, piece.Get)[^2..]);
    }

    [Fact]
    public void A_frame_with_any_bit_turned_over_is_dropped_and_the_next_one_is_found()
    {
        var good = Valid[1].Encode();
        for (var bit = 0; bit < (good.Length - 1) * 8; bit++)
        {
            var bad = good.ToArray();
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal([Valid[0]], ReceivedFrame.Parse([.. bad, .. Valid[0].Encode()], 16));
        }
    }

    [Fact]
    public void A_piece_longer_than_a_frame_can_be_is_dropped_counted_and_not_kept()
    {
        var reader = new FrameReader();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var noise = new byte[64 << 10];
        Array.Fill(noise, (byte)1);
        for (var i = 0; i < 256; i++)
            reader.Push(noise, (in Frame _) => Assert.Fail("noise is no frame"));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        Assert.Equal([Valid[0]], ReceivedFrame.Parse([0, .. Valid[0].Encode()], 5, reader));
        Assert.Equal(1, reader.Dropped);
    }

    [Fact]
    public void The_longest_payload_fits_and_one_byte_more_is_refused_by_the_writer()
    {
        var longest = new ReceivedFrame(1, 2, MessageType.Output, Convert.ToHexString(new byte[Frame.MaxPayload]));
        Assert.Equal([longest], ReceivedFrame.Parse(longest.Encode(), 4096));
        var writer = new FrameWriter();
        writer.Begin().Raw(new byte[Frame.MaxPayload + 1]);
        Assert.Throws<InvalidOperationException>(() => writer.Finish(1, 2, MessageType.Output).Length);
    }

    [Fact]
    public void Reading_and_writing_allocate_nothing_once_warm()
    {
        var (writer, reader, payload, seen) = (new FrameWriter(), new FrameReader(), new byte[4096], 0);
        FrameReader.Handler handler = (in Frame frame) => seen += frame.Payload.Length;
        long before = 0;
        for (var i = 0; i < 200; i++)
        {
            if (i == 100)
                before = GC.GetAllocatedBytesForCurrentThread();
            writer.Begin().Raw(payload);
            reader.Push(writer.Finish(5, (uint)i, MessageType.Output), handler);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(200 * 4096, seen);
    }

    [Fact]
    public void A_million_random_and_mutated_bytes_never_throw_and_never_invent_a_frame()
    {
        var random = new Random(20261123);
        var reader = new FrameReader();
        var good = Valid.Select(frame => frame.Encode()).ToArray();
        for (var round = 0; round < 4000; round++)
        {
            var bytes = round % 2 == 0 ? new byte[random.Next(600)] : good[random.Next(good.Length)].ToArray();
            if (round % 2 == 0)
                random.NextBytes(bytes);
            for (var i = random.Next(1, 6); i > 0 && bytes.Length > 0; i--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            foreach (var frame in ReceivedFrame.Parse(bytes, random.Next(1, 700), reader))
                Assert.Contains(frame, Valid); // only a mutation that changed nothing
        }
        Assert.Equal(Valid, ReceivedFrame.Parse([0, .. good.SelectMany(bytes => bytes)], 33, reader));
    }
}
