namespace Mitos.FirecrackerFake.Machine;

/// <summary>CRC-64 of Jones, reflected, from 0 on: the one at the end of Firecracker's state files.</summary>
public static class Crc64
{
    private static readonly ulong[] Table = MakeTable();

    public static ulong Compute(ReadOnlySpan<byte> bytes)
    {
        ulong crc = 0;
        foreach (var value in bytes)
            crc = Table[(byte)crc ^ value] ^ (crc >> 8);
        return crc;
    }

    private static ulong[] MakeTable()
    {
        var table = new ulong[256];
        for (var i = 0; i < 256; i++)
        {
            var crc = (ulong)i;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ ((crc & 1) * 0x95AC9329AC4BC9B5);
            table[i] = crc;
        }
        return table;
    }
}
