namespace Mitos.Protocol.Framing;

/// <summary>
/// Consistent overhead byte stuffing (Cheshire and Baker, 1999): bytes without a zero, so that a zero always ends a frame.
/// A reader that begins anywhere is in step again at the next zero, which is what a fork in the middle of a frame needs.
/// </summary>
public static class Cobs
{
    /// <summary>Most bytes that <paramref name="length"/> bytes become, without the final zero.</summary>
    public static int MaxEncodedLength(int length) => length + (length / 254) + 1;

    /// <summary>Encodes; <paramref name="target"/> must have <see cref="MaxEncodedLength"/> bytes. Returns the length.</summary>
    public static int Encode(ReadOnlySpan<byte> source, Span<byte> target)
    {
        var written = 0;
        while (true)
        {
            // a zero after a zero is a lone code: runs of them, as in files with holes, at once
            if (source.Length > 0 && source[0] == 0)
            {
                var zeros = source.IndexOfAnyExcept((byte)0);
                zeros = zeros < 0 ? source.Length : zeros;
                target.Slice(written, zeros).Fill(1);
                written += zeros;
                source = source[zeros..];
            }
            var block = source[..Math.Min(254, source.Length)];
            var zero = block.IndexOf((byte)0);
            var run = zero >= 0 ? zero : block.Length;
            target[written++] = (byte)(run + 1);
            block[..run].CopyTo(target[written..]);
            written += run;
            if (zero >= 0)
            {
                source = source[(run + 1)..];
                continue; // the zero itself; a last block, perhaps empty, follows
            }
            source = source[run..];
            if (source.Length == 0)
                return written;
        }
    }

    /// <summary>Decodes in place. False when the bytes are not an encoding.</summary>
    public static bool TryDecode(Span<byte> bytes, out int length)
    {
        length = 0;
        for (var at = 0; at < bytes.Length;)
        {
            if (bytes[at] == 1)
            {
                // length is never beyond at: what is overwritten was read
                var lone = bytes[at..].IndexOfAnyExcept((byte)1);
                lone = lone < 0 ? bytes.Length - at : lone;
                at += lone;
                lone -= at == bytes.Length ? 1 : 0; // the last one ends the frame, and stands for no zero
                bytes.Slice(length, lone).Clear();
                length += lone;
                continue;
            }
            int code = bytes[at++];
            if (code == 0 || at + code - 1 > bytes.Length)
                return false;
            bytes.Slice(at, code - 1).CopyTo(bytes[length..]);
            length += code - 1;
            at += code - 1;
            if (code < 255 && at < bytes.Length)
                bytes[length++] = 0;
        }
        return true;
    }
}
