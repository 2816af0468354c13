namespace Mitos.Guest.Streams;

/// <summary>
/// The last bytes of one output stream, by absolute offset. It grows only for bytes that the host has not acknowledged, up to
/// <see cref="Capacity"/>; acknowledged ones stay readable until their place is needed.
/// </summary>
internal sealed class OutputRing
{
    public const int Capacity = 256 << 10;

    private byte[] _bytes = [];

    /// <summary>Offset of the oldest byte that is still here.</summary>
    public ulong Start { get; private set; }

    /// <summary>Offset after the newest byte.</summary>
    public ulong End { get; private set; }

    /// <summary>All before this may be overwritten. Set within <see cref="Start"/> and <see cref="End"/>.</summary>
    public ulong Acknowledged
    {
        get;
        set => field = Math.Clamp(value, Start, End);
    }

    /// <summary>How many bytes can be added without overwriting one that was not acknowledged.</summary>
    public int Room => Capacity - (int)(End - Acknowledged);

    /// <summary>Bytes of memory that it holds.</summary>
    public int Size => _bytes.Length;

    /// <summary>Adds at most <see cref="Capacity"/> bytes; the oldest make room.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length == 0)
            return;
        var needed = Math.Min(Capacity, (int)(End - Acknowledged) + bytes.Length);
        if (needed > _bytes.Length)
            Grow(needed);
        var excess = (int)(End - Start) + bytes.Length - _bytes.Length;
        if (excess > 0)
            Start += (ulong)excess;
        Acknowledged = Math.Max(Acknowledged, Start);
        var at = (int)(End % (ulong)_bytes.Length);
        var first = Math.Min(bytes.Length, _bytes.Length - at);
        bytes[..first].CopyTo(_bytes.AsSpan(at));
        bytes[first..].CopyTo(_bytes);
        End += (ulong)bytes.Length;
    }

    /// <summary>Copies bytes from an offset between <see cref="Start"/> and <see cref="End"/>; returns how many.</summary>
    public int Read(ulong offset, Span<byte> target)
    {
        var count = (int)Math.Min((ulong)target.Length, End - offset);
        if (count == 0)
            return 0;
        var at = (int)(offset % (ulong)_bytes.Length);
        var first = Math.Min(count, _bytes.Length - at);
        _bytes.AsSpan(at, first).CopyTo(target);
        _bytes.AsSpan(0, count - first).CopyTo(target[first..]);
        return count;
    }

    private void Grow(int needed)
    {
        var size = Math.Max(4096, _bytes.Length);
        while (size < needed)
            size *= 2;
        var grown = new byte[size]; // the capacity is a power of two too
        for (var offset = Start; offset < End;)
        {
            var from = (int)(offset % (ulong)_bytes.Length);
            var to = (int)(offset % (ulong)grown.Length);
            var part = Math.Min(Math.Min(_bytes.Length - from, grown.Length - to), (int)(End - offset));
            _bytes.AsSpan(from, part).CopyTo(grown.AsSpan(to));
            offset += (ulong)part;
        }
        _bytes = grown;
    }
}
