using System.Buffers.Binary;

namespace Mitos.Probe;

/// <summary>What the probe writes and how it sums, computed on the host.</summary>
public static class ProbePattern
{
    private const ulong Start = 0xCBF29CE484222325, Prime = 0x100000001B3;

    /// <summary>The 64-bit word that <paramref name="seed"/> puts at a guest-physical address.</summary>
    public static ulong Word(ulong seed, ulong address)
    {
        var z = unchecked(seed + (address * 0x9E3779B97F4A7C15));
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return z ^ (z >> 31);
    }

    /// <summary>What <see cref="ProbeClient.FillAsync"/> writes.</summary>
    /// <param name="memory">Bytes, a number divisible by 8.</param>
    /// <param name="address">The guest-physical address of the first.</param>
    /// <param name="seed">As given to the probe.</param>
    public static void Fill(Span<byte> memory, ulong address, ulong seed)
    {
        for (var at = 0; at < memory.Length; at += 8)
            BinaryPrimitives.WriteUInt64LittleEndian(memory[at..], Word(seed, address + (ulong)at));
    }

    /// <summary>What <see cref="ProbeClient.ChecksumAsync"/> gives: FNV-1a over 64-bit words in place of bytes.</summary>
    /// <param name="memory">Bytes, a number divisible by 8.</param>
    /// <param name="before">The sum of what comes before, for a range in parts.</param>
    public static ulong Checksum(ReadOnlySpan<byte> memory, ulong? before = null)
    {
        var hash = before ?? Start;
        for (var at = 0; at < memory.Length; at += 8)
            hash = unchecked((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(memory[at..])) * Prime);
        return hash;
    }
}
