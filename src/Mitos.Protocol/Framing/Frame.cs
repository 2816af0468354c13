using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Framing;

/// <summary>
/// One frame: <c>session u64 | id u32 | type u8 | payload | crc32c u32</c>, little-endian, COBS-encoded, ended by a zero byte.
/// </summary>
public readonly ref struct Frame(ulong session, uint id, MessageType type, ReadOnlySpan<byte> payload)
{
    /// <summary>Most bytes of a payload.</summary>
    public const int MaxPayload = 64 << 10;

    internal const int HeaderLength = 13, TrailerLength = 4, MaxLength = HeaderLength + MaxPayload + TrailerLength;

    /// <summary>The connection that it belongs to; chosen by the host at each connect.</summary>
    public ulong Session { get; } = session;

    /// <summary>The request that it is, or answers; the subscription for events.</summary>
    public uint Id { get; } = id;

    public MessageType Type { get; } = type;

    /// <summary>Valid until the reader is used again.</summary>
    public ReadOnlySpan<byte> Payload { get; } = payload;
}
