using Mitos.Guest.Streams;

namespace Mitos.Guest.Sessions;

/// <summary>Bytes that wait to be written to the host, in order; small ones together, for each write wakes the host.</summary>
internal sealed class Outbox(ITransport transport)
{
    private const int FlushAt = 16 << 10;
    private readonly ByteQueue _queue = new();

    public int Length => _queue.Length;

    public void Clear() => _queue.Clear();

    public void Add(ReadOnlySpan<byte> bytes)
    {
        _queue.Add(bytes);
        if (Length >= FlushAt)
            Flush();
    }

    /// <summary>Writes what the transport takes and keeps the rest.</summary>
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
