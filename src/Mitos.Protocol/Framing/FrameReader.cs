using System.Buffers.Binary;
using Mitos.Protocol.Messages;

namespace Mitos.Protocol.Framing;

/// <summary>
/// Finds frames in a stream that may begin anywhere and carry anything. What is not a frame is dropped and counted, never an
/// error. Holds at most one frame's bytes. Not safe for concurrent use.
/// </summary>
public sealed class FrameReader
{
    private static readonly int MaxEncoded = Cobs.MaxEncodedLength(Frame.MaxLength);
    private byte[] _partial = new byte[1024];
    private int _length;
    private bool _skipping;

    /// <summary>Takes one frame.</summary>
    public delegate void Handler(in Frame frame);

    /// <summary>Pieces between two zeros that were no frame.</summary>
    public long Dropped { get; private set; }

    /// <summary>Forgets the beginning of a frame: the stream begins anew.</summary>
    public void Reset() => (_length, _skipping) = (0, false);

    /// <summary>Takes the next bytes of the stream and hands over each frame that they complete.</summary>
    public void Push(ReadOnlySpan<byte> bytes, Handler handler)
    {
        while (bytes.Length > 0)
        {
            var zero = bytes.IndexOf((byte)0);
            Keep(zero >= 0 ? bytes[..zero] : bytes);
            if (zero < 0)
                return;
            bytes = bytes[(zero + 1)..];
            var piece = _partial.AsSpan(0, _length);
            var skip = _skipping;
            Reset();
            if (!skip && piece.Length == 0)
                continue; // a lone zero: the other side made sure that we are in step
            if (skip || !TryParse(piece, out var frame))
                Dropped++;
            else
                handler(frame);
        }
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_skipping || _length + bytes.Length > MaxEncoded)
        {
            _skipping = true;
            return;
        }
        if (_partial.Length < _length + bytes.Length)
            Array.Resize(ref _partial, Math.Max(_length + bytes.Length, Math.Min(MaxEncoded, _partial.Length * 2)));
        bytes.CopyTo(_partial.AsSpan(_length));
        _length += bytes.Length;
    }

    private static bool TryParse(Span<byte> piece, out Frame frame)
    {
        frame = default;
        if (!Cobs.TryDecode(piece, out var length) || length < Frame.HeaderLength + Frame.TrailerLength || length > Frame.MaxLength)
            return false;
        var body = piece[..(length - Frame.TrailerLength)];
        if (BinaryPrimitives.ReadUInt32LittleEndian(piece[body.Length..]) != Crc32C.Compute(body))
            return false;
        frame = new Frame(BinaryPrimitives.ReadUInt64LittleEndian(body), BinaryPrimitives.ReadUInt32LittleEndian(body[8..]),
            (MessageType)body[12], body[Frame.HeaderLength..]);
        return true;
    }
}
