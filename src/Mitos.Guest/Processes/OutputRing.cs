namespace Mitos.Guest.Processes;

/// <summary>The last bytes of one output stream, by absolute offset. Grows as needed to <see cref="Capacity"/>.</summary>
internal sealed class OutputRing
{
    public const int Capacity = 256 << 10;

    private byte[] _bytes = [];

    /// <summary>Offset of the oldest byte that is still here.</summary>
    public ulong Start { get; private set; }

    /// <summary>Offset after the newest byte.</summary>
    public ulong End { get; private set; }

    public int Count => (int)(End - Start);

    public int Free => Capacity - Count;

    /// <summary>Adds bytes; the oldest make room.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > Capacity)
        {
            End += (ulong)(bytes.Length - Capacity);
            bytes = bytes[^Capacity..];
            Start = End;
        }
        var excess = Count + bytes.Length - Capacity;
        if (excess > 0)
            Start += (ulong)excess;
        if (Count + bytes.Length > _bytes.Length)
            Grow(Count + bytes.Length);
        var at = (int)(End % (ulong)_bytes.Length);
        var first = Math.Min(bytes.Length, _bytes.Length - at);
        bytes[..first].CopyTo(_bytes.AsSpan(at));
        bytes[first..].CopyTo(_bytes);
        End += (ulong)bytes.Length;
    }

    /// <summary>Drops what lies before an offset: the host has it.</summary>
    public void Release(ulong offset) => Start = Math.Clamp(offset, Start, End);

    /// <summary>Copies bytes from an offset on that is here; returns how many.</summary>
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
        var grown = new byte[Math.Min(size, Capacity)];
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
