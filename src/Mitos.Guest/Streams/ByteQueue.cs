namespace Mitos.Guest.Streams;

/// <summary>Bytes that wait, in order. Gives a large buffer back when it is empty.</summary>
internal sealed class ByteQueue
{
    private const int Initial = 4096, MaxKept = 256 << 10;
    private byte[] _buffer = [];
    private int _start, _end;

    public int Length => _end - _start;

    public ReadOnlySpan<byte> Waiting => _buffer.AsSpan(_start, Length);

    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (_buffer.Length - _end < bytes.Length)
            MakeRoom(bytes.Length);
        bytes.CopyTo(_buffer.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>Drops the first bytes.</summary>
    public void Skip(int bytes)
    {
        _start += bytes;
        if (_start == _end)
            Clear();
    }

    public void Clear()
    {
        (_start, _end) = (0, 0);
        if (_buffer.Length > MaxKept)
            _buffer = [];
    }

    private void MakeRoom(int bytes)
    {
        var target = Length + bytes > _buffer.Length ? new byte[Math.Max(Length + bytes, Math.Max(Initial, _buffer.Length * 2))] : _buffer;
        Buffer.BlockCopy(_buffer, _start, target, 0, Length);
        (_start, _end, _buffer) = (0, Length, target);
    }
}
