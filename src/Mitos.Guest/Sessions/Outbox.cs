using Mitos.Guest.Streams;

namespace Mitos.Guest.Sessions;

/// <summary>Bytes that wait to be written to the host, in order.</summary>
internal sealed class Outbox(ITransport transport)
{
    private readonly ByteQueue _queue = new();

    public int Length => _queue.Length;

    public void Clear() => _queue.Clear();

    /// <summary>Writes what the transport takes and keeps the rest.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (Length == 0)
            bytes = bytes[transport.Write(bytes)..];
        if (bytes.Length > 0)
            _queue.Add(bytes);
    }

    public void Flush()
    {
        while (Length > 0)
        {
            var written = transport.Write(_queue.Waiting);
            if (written == 0)
                return;
            _queue.Skip(written);
        }
    }
}
