using System.Buffers.Binary;
using System.Text;

namespace Mitos.Protocol.Messages;

/// <summary>
/// Reads the fields of a message that may be hostile. It never throws: after the first field that is not there
/// <see cref="Failed"/> is set and everything reads as empty.
/// </summary>
public ref struct WireReader(ReadOnlySpan<byte> payload)
{
    /// <summary>Most entries of a list or map.</summary>
    public const int MaxCount = 16384;

    private ReadOnlySpan<byte> _rest = payload;

    /// <summary>Whether a field was missing or malformed.</summary>
    public bool Failed { get; private set; }

    public ulong Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64 && _rest.Length > 0; shift += 7)
        {
            var part = _rest[0];
            _rest = _rest[1..];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
        return Fail();
    }

    public int Int32()
    {
        var value = Number();
        return value <= uint.MaxValue ? (int)(uint)value : (int)Fail();
    }

    public long Signed()
    {
        var bytes = Raw(8);
        return bytes.Length == 8 ? BinaryPrimitives.ReadInt64LittleEndian(bytes) : 0;
    }

    public bool Flag() => Number() != 0;

    public ReadOnlySpan<byte> Bytes()
    {
        var length = Number();
        return length <= (ulong)_rest.Length ? Raw((int)length) : FailSpan();
    }

    public ReadOnlySpan<byte> Raw(int length)
    {
        if (length > _rest.Length)
            return FailSpan();
        var value = _rest[..length];
        _rest = _rest[length..];
        return value;
    }

    /// <summary>All that is left.</summary>
    public ReadOnlySpan<byte> Rest()
    {
        var value = _rest;
        _rest = default;
        return value;
    }

    public string Text() => Encoding.UTF8.GetString(Bytes());

    public string[] Texts()
    {
        var values = new string[Count()];
        for (var i = 0; i < values.Length; i++)
            values[i] = Text();
        return values;
    }

    public Dictionary<string, string> Map()
    {
        var count = Count();
        var values = new Dictionary<string, string>(Math.Min(count, 64));
        for (var i = 0; i < count && !Failed; i++)
        {
            var key = Text();
            values[key] = Text();
        }
        return values;
    }

    /// <summary>The number of entries that follow.</summary>
    public int Count()
    {
        var count = Number();
        // each entry takes a byte at least, so a length that lies costs nothing
        return count <= MaxCount && count <= (ulong)_rest.Length ? (int)count : (int)Fail();
    }

    private ulong Fail()
    {
        Failed = true;
        _rest = default;
        return 0;
    }

    private ReadOnlySpan<byte> FailSpan()
    {
        Fail();
        return default;
    }
}
