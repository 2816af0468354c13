namespace Mitos.Guest.Sessions;

/// <summary>Bytes that wait to be written to the host, in order.</summary>
internal sealed class Outbox(ITransport transport)
{
    private byte[] _buffer = new byte[4096];
    private int _start, _end;

    public int Length => _end - _start;

    public void Clear() => (_start, _end) = (0, 0);

    /// <summary>Writes what the transport takes and keeps the rest.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (Length == 0)
            bytes = bytes[transport.Write(bytes)..];
        if (bytes.Length == 0)
            return;
        if (_buffer.Length - _end < bytes.Length)
            MakeRoom(bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    public void Flush()
    {
        while (Length > 0)
        {
            var written = transport.Write(_buffer.AsSpan(_start, Length));
            if (written == 0)
                return;
            _start += written;
        }
        Clear();
        if (_buffer.Length > 256 << 10)
            _buffer = new byte[4096];
    }

    private void MakeRoom(int bytes)
    {
        var target = Length + bytes > _buffer.Length ? new byte[Math.Max(Length + bytes, _buffer.Length * 2)] : _buffer;
        Buffer.BlockCopy(_buffer, _start, target, 0, Length);
        (_start, _end, _buffer) = (0, Length, target);
    }
}
