using System.Buffers.Binary;
using FsCheck;
using FsCheck.Xunit;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.Tests.Envd;

public sealed class ConnectFramesTests
{
    [Property]
    public async Task Messages_come_back_however_the_stream_is_cut_into_pieces(byte[][] messages, PositiveInt piece)
    {
        var stream = new Pieces(messages.SelectMany(message => Frame(message)).ToArray(), piece.Get);
        foreach (var message in messages)
            Assert.Equal(message, await ConnectFrames.ReadAsync(stream, default));
        Assert.Null(await ConnectFrames.ReadAsync(stream, default));
    }

    [Property]
    public async Task A_stream_that_ends_within_a_message_is_refused(NonEmptyArray<byte> message, NonNegativeInt cut)
    {
        var frame = Frame(message.Get);
        var error = await Assert.ThrowsAsync<ConnectException>(async () => await ConnectFrames.ReadAsync(new MemoryStream(frame, 0, 1 + (cut.Get % (frame.Length - 1))), default));
        Assert.Equal("invalid_argument", error.Code);
    }

    [Property(MaxTest = 1000)]
    public async Task Any_bytes_are_messages_or_an_error(byte[] bytes, PositiveInt piece)
    {
        var stream = new Pieces(bytes, piece.Get);
        try
        {
            while (await ConnectFrames.ReadAsync(stream, default) is { } message)
                Assert.InRange(message.Length, 0, bytes.Length);
        }
        catch (ConnectException e)
        {
            Assert.Contains(e.Code, (string[])["invalid_argument", "unimplemented", "resource_exhausted"]);
        }
    }

    [Theory]
    [InlineData(1, 0, "unimplemented", "compressed")]
    [InlineData(3, 0, "unimplemented", "compressed")]
    [InlineData(2, 0, "invalid_argument", "flags 0x02")]
    [InlineData(0, ConnectFrames.MaxMessage + 1, "resource_exhausted", "4194304")]
    [InlineData(0, -1, "resource_exhausted", "4294967295")]
    public async Task A_head_that_cannot_be_served_is_refused_with_the_reason(byte flags, int length, string code, string words)
    {
        var head = new byte[ConnectFrames.Header];
        head[0] = flags;
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), length);
        var error = await Assert.ThrowsAsync<ConnectException>(async () => await ConnectFrames.ReadAsync(new MemoryStream(head), default));
        Assert.Equal(code, error.Code);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_message_comes_whole()
    {
        var message = new byte[ConnectFrames.MaxMessage];
        new Random(1).NextBytes(message);
        Assert.Equal(message, await ConnectFrames.ReadAsync(new Pieces(Frame(message), 9999), default));
    }

    [Fact]
    public async Task A_length_alone_reserves_no_memory()
    {
        var head = new byte[ConnectFrames.Header];
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), ConnectFrames.MaxMessage);
        var before = GC.GetAllocatedBytesForCurrentThread();
        await Assert.ThrowsAsync<ConnectException>(async () => await ConnectFrames.ReadAsync(new MemoryStream(head), default));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static byte[] Frame(byte[] message)
    {
        byte[] frame = [.. new byte[ConnectFrames.Header], .. message];
        ConnectFrames.Complete(frame, 0);
        return frame;
    }

    /// <summary>Gives no more than so many bytes at a time, as a network does.</summary>
    private sealed class Pieces(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, piece)], cancellationToken);
    }
}
