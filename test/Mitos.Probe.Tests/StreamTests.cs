using Mitos.Probe.Tests.Vmm;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Probe.Tests;

/// <summary>What is no frame is dropped, and what follows is answered.</summary>
public sealed class StreamTests
{
    [Fact]
    public async Task Garbage_is_dropped()
    {
        await using var machine = new Qemu(new QemuOptions());
        await (await machine.ConnectAsync()).DisposeAsync();
        await using var stream = await machine.OpenPortAsync();
        var random = new Random(7);
        for (var round = 0; round < 200; round++)
        {
            var garbage = new byte[random.Next(1, 3000)];
            random.NextBytes(garbage);
            await stream.WriteAsync(garbage);
        }
        await AnswersAsync(stream);
    }

    [Fact]
    public async Task A_frame_without_end_is_dropped()
    {
        await using var machine = new Qemu(new QemuOptions());
        await (await machine.ConnectAsync()).DisposeAsync();
        await using var stream = await machine.OpenPortAsync();
        var endless = new byte[1 << 20];
        Array.Fill(endless, (byte)1);
        await stream.WriteAsync(endless);
        await AnswersAsync(stream);
    }

    [Fact]
    public async Task A_damaged_frame_is_not_carried_out()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using (var probe = await machine.ConnectAsync())
            await probe.SetGenerationAsync(5, Limit.Token);
        await using var stream = await machine.OpenPortAsync();
        var writer = new FrameWriter();
        writer.Begin().Number(6);
        var frame = writer.Finish(1, 1, (MessageType)129).ToArray();
        for (var at = 0; at < frame.Length - 1; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var damaged = frame.ToArray();
                damaged[at] ^= (byte)(1 << bit);
                await stream.WriteAsync(damaged);
            }
            await stream.WriteAsync(frame.AsMemory(0, at));
            await stream.WriteAsync(new byte[1]);
        }
        await AnswersAsync(stream);
        await stream.DisposeAsync();
        await using var again = await machine.ConnectAsync();
        Assert.Equal(5UL, (await again.IdentifyAsync(Limit.Token)).Generation);
    }

    [Theory]
    [InlineData((byte)0)]
    [InlineData((byte)1)] // the agent's greeting
    [InlineData((byte)65)] // an answer
    [InlineData((byte)127)]
    [InlineData((byte)142)]
    [InlineData((byte)255)]
    public async Task An_unknown_request_is_refused(byte type)
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var stream = await machine.OpenPortAsync();
        var (answer, payload) = await AskAsync(stream, (MessageType)type, []);
        Assert.Equal((MessageType.Error, (byte)AgentErrorCode.Unsupported), (answer, payload[0]));
    }

    [Theory]
    [InlineData(130, new byte[] { 1, 2 })]
    [InlineData(130, new byte[] { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 })]
    [InlineData(131, new byte[] { })]
    [InlineData(132, new byte[] { 0x80 })]
    [InlineData(133, new byte[] { 0 })]
    [InlineData(137, new byte[] { 0, 0 })]
    [InlineData(138, new byte[] { 0 })]
    [InlineData(139, new byte[] { })]
    [InlineData(129, new byte[] { })]
    public async Task A_request_that_lacks_a_field_is_refused(int type, byte[] payload)
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var stream = await machine.OpenPortAsync();
        var (answer, refusal) = await AskAsync(stream, (MessageType)type, payload);
        Assert.Equal((MessageType.Error, (byte)AgentErrorCode.InvalidArgument), (answer, refusal[0]));
    }

    [Fact]
    public async Task A_host_that_leaves_in_the_middle_of_a_frame_does_no_harm()
    {
        await using var machine = new Qemu(new QemuOptions());
        await (await machine.ConnectAsync()).DisposeAsync();
        var writer = new FrameWriter();
        writer.Begin().Raw(new byte[5000]);
        var frame = writer.Finish(1, 1, MessageType.Ping).ToArray();
        for (var i = 1; i <= 5; i++)
        {
            await using var stream = await machine.OpenPortAsync();
            await stream.WriteAsync(frame.AsMemory(0, i * 900));
        }
        await using var probe = await machine.ConnectAsync();
        Assert.True((await probe.IdentifyAsync(Limit.Token)).Connects >= 2);
    }

    private static async Task AnswersAsync(Stream stream) => Assert.Equal((MessageType.Ok, 4), await CountAsync(stream));

    private static async Task<(MessageType, int)> CountAsync(Stream stream)
    {
        var (type, payload) = await AskAsync(stream, MessageType.Ping, [1, 2, 3, 4]);
        return (type, payload.Length);
    }

    private static async Task<(MessageType Type, byte[] Payload)> AskAsync(Stream stream, MessageType type, byte[] payload)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        const ulong Session = 0x1234;
        var writer = new FrameWriter();
        writer.Begin().Raw(payload);
        await stream.WriteAsync((byte[])[0, .. writer.Finish(Session, 77, type)]);
        var reader = new FrameReader();
        (MessageType, byte[])? answer = null;
        var buffer = new byte[4096];
        while (answer is null)
        {
            var got = await stream.ReadAsync(buffer, limit.Token);
            Assert.True(got > 0);
            reader.Push(buffer.AsSpan(0, got), (in Frame frame) =>
            {
                if ((frame.Session, frame.Id) == (Session, 77u))
                    answer = (frame.Type, frame.Payload.ToArray());
            });
        }
        return answer.Value;
    }
}
