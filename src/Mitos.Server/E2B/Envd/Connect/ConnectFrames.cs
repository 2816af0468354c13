using System.Buffers.Binary;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>The messages of a stream: a byte of flags, a length of four bytes, the highest first, and the message.</summary>
internal static class ConnectFrames
{
    public const int Header = 5, MaxMessage = 4 << 20;
    public const byte Compressed = 1, End = 2;
    private const int FirstRoom = 16 << 10;

    /// <summary>The next message; null: there is no more.</summary>
    /// <exception cref="ConnectException">invalid_argument, unimplemented: it is compressed, resource_exhausted: it is too long.</exception>
    public static async ValueTask<byte[]?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var header = new byte[Header];
        var got = await stream.ReadAtLeastAsync(header, Header, throwOnEndOfStream: false, cancellationToken);
        if (got == 0)
            return null;
        if (got < Header)
            throw ConnectException.Invalid("the stream ends within the head of a message");
        var length = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(1));
        if ((header[0] & Compressed) != 0)
            throw new ConnectException("unimplemented", "messages of streams cannot be compressed here; send them as they are, without Connect-Content-Encoding");
        if (header[0] != 0)
            throw ConnectException.Invalid($"a message has the flags 0x{header[0]:x2}; a client's have none");
        if (length > MaxMessage)
            throw new ConnectException("resource_exhausted", $"a message of {length} bytes is too long; at most {MaxMessage} are possible");
        var message = new byte[Math.Min(length, FirstRoom)]; // a length alone reserves nothing
        for (var have = 0; ;)
        {
            have += await stream.ReadAtLeastAsync(message.AsMemory(have), message.Length - have, throwOnEndOfStream: false, cancellationToken);
            if (have < message.Length)
                throw ConnectException.Invalid($"the stream ends within a message, after {have} of {length} bytes");
            if (have == length)
                return message;
            Array.Resize(ref message, (int)Math.Min(length, have * 2L));
        }
    }

    /// <summary>Completes a frame whose message was written behind <see cref="Header"/> empty bytes.</summary>
    public static void Complete(Span<byte> frame, byte flags)
    {
        frame[0] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(frame[1..], (uint)(frame.Length - Header));
    }
}
