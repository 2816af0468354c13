using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Tests.Framing;

/// <summary>A frame's fields, kept.</summary>
internal sealed record ReceivedFrame(ulong Session, uint Id, MessageType Type, string Payload)
{
    public static ReceivedFrame Of(in Frame frame) => new(frame.Session, frame.Id, frame.Type, Convert.ToHexString(frame.Payload));

    public byte[] Encode()
    {
        var writer = new FrameWriter();
        writer.Begin().Raw(Convert.FromHexString(Payload));
        return writer.Finish(Session, Id, Type).ToArray();
    }

    /// <summary>Pushes a stream in pieces of the given length.</summary>
    public static List<ReceivedFrame> Parse(ReadOnlySpan<byte> stream, int piece, FrameReader? reader = null)
    {
        reader ??= new FrameReader();
        var found = new List<ReceivedFrame>();
        for (; stream.Length > 0; stream = stream[Math.Min(piece, stream.Length)..])
            reader.Push(stream[..Math.Min(piece, stream.Length)], (in Frame frame) => found.Add(Of(frame)));
        return found;
    }
}
