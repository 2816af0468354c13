using System.Numerics;
using System.Runtime.InteropServices;

namespace Mitos.Protocol.Framing;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it has one.</summary>
public static class Crc32C
{
    public static uint Compute(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(bytes))
            crc = BitOperations.Crc32C(crc, word);
        foreach (var rest in bytes[(bytes.Length & ~7)..])
            crc = BitOperations.Crc32C(crc, rest);
        return ~crc;
    }
}
