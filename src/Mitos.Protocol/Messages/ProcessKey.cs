using System.Security.Cryptography;

namespace Mitos.Protocol.Messages;

/// <summary>Names a process across reconnects and restarts: 16 random bytes that the host chose.</summary>
public readonly record struct ProcessKey(UInt128 Value)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Length = 16;

    public static ProcessKey New()
    {
        Span<byte> bytes = stackalloc byte[Length];
        RandomNumberGenerator.Fill(bytes);
        return Read(bytes);
    }

    public static ProcessKey Read(ReadOnlySpan<byte> bytes) =>
        bytes.Length == Length ? new(System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(bytes)) : default;

    public void Write(WireWriter writer)
    {
        Span<byte> bytes = stackalloc byte[Length];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(bytes, Value);
        writer.Raw(bytes);
    }

    public override string ToString() => Value.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);
}
