using System.Buffers.Binary;
using System.Text;

namespace Mitos.Protocol.Messages;

/// <summary>Writes the fields of a message: varints (LEB128), length-prefixed bytes and UTF-8. Not safe for concurrent use.</summary>
public sealed class WireWriter
{
    private byte[] _buffer = new byte[512];
    private int _length;

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    public void Clear() => _length = 0;

    public WireWriter Number(ulong value)
    {
        var room = Room(10);
        var used = 0;
        for (; value >= 0x80; value >>= 7)
            room[used++] = (byte)(value | 0x80);
        room[used++] = (byte)value;
        _length += used;
        return this;
    }

    public WireWriter Number(int value) => Number((ulong)(uint)value);

    /// <summary>A value that may be negative, as 8 bytes.</summary>
    public WireWriter Signed(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(Room(8), value);
        _length += 8;
        return this;
    }

    public WireWriter Flag(bool value) => Number(value ? 1UL : 0);

    public WireWriter Bytes(ReadOnlySpan<byte> value)
    {
        Number((ulong)value.Length);
        return Raw(value);
    }

    /// <summary>Bytes without a length: a fixed size, or the rest of the message.</summary>
    public WireWriter Raw(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Room(value.Length));
        _length += value.Length;
        return this;
    }

    public WireWriter Text(string? value)
    {
        value ??= "";
        var length = Encoding.UTF8.GetByteCount(value);
        Number((ulong)length);
        Encoding.UTF8.GetBytes(value, Room(length));
        _length += length;
        return this;
    }

    public WireWriter Texts(IReadOnlyCollection<string> values)
    {
        Number((ulong)values.Count);
        foreach (var value in values)
            Text(value);
        return this;
    }

    public WireWriter Map(IReadOnlyDictionary<string, string> values)
    {
        Number((ulong)values.Count);
        foreach (var (key, value) in values)
            Text(key).Text(value);
        return this;
    }

    private Span<byte> Room(int bytes)
    {
        if (_buffer.Length < _length + bytes)
            Array.Resize(ref _buffer, Math.Max(_length + bytes, _buffer.Length * 2));
        return _buffer.AsSpan(_length);
    }
}
