using System.Buffers.Binary;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Framing;

/// <summary>Makes frames in a buffer of its own, which is used again: no allocation per frame. Not safe for concurrent use.</summary>
public sealed class FrameWriter
{
    private byte[] _plain = new byte[1024];
    private byte[] _encoded = new byte[1024];

    /// <summary>Where the payload is written before <see cref="Finish"/>.</summary>
    public WireWriter Payload { get; } = new();

    /// <summary>Clears the payload.</summary>
    public WireWriter Begin()
    {
        Payload.Clear();
        return Payload;
    }

    /// <summary>Encodes the payload as a frame, its final zero included. Valid until the next call.</summary>
    /// <exception cref="InvalidOperationException">The payload is longer than <see cref="Frame.MaxPayload"/>.</exception>
    public ReadOnlySpan<byte> Finish(ulong session, uint id, MessageType type)
    {
        var payload = Payload.Written;
        if (payload.Length > Frame.MaxPayload)
            throw new InvalidOperationException($"A {type} of {payload.Length} bytes does not fit a frame.");
        var length = Frame.HeaderLength + payload.Length + Frame.TrailerLength;
        Ensure(ref _plain, length);
        BinaryPrimitives.WriteUInt64LittleEndian(_plain, session);
        BinaryPrimitives.WriteUInt32LittleEndian(_plain.AsSpan(8), id);
        _plain[12] = (byte)type;
        payload.CopyTo(_plain.AsSpan(Frame.HeaderLength));
        var body = _plain.AsSpan(0, length - Frame.TrailerLength);
        BinaryPrimitives.WriteUInt32LittleEndian(_plain.AsSpan(body.Length), Crc32C.Compute(body));
        Ensure(ref _encoded, Cobs.MaxEncodedLength(length) + 1);
        var encoded = Cobs.Encode(_plain.AsSpan(0, length), _encoded);
        _encoded[encoded] = 0;
        return _encoded.AsSpan(0, encoded + 1);
    }

    private static void Ensure(ref byte[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new byte[Math.Max(length, buffer.Length * 2)];
    }
}
