using System.Buffers.Binary;

namespace Mitos.Engine.Disks;

/// <summary>
/// Writes empty qcow2 images (QEMU's docs/interop/qcow2.txt, version 3) without starting a process, which costs 30 ms in a fork.
/// The image names no backing file: the driver says what lies below.
/// </summary>
public static class Qcow2Image
{
    /// <summary>Bytes of a cluster.</summary>
    public const int ClusterSize = 64 << 10;

    private const int ClusterBits = 16;
    private const long BytesPerL2Table = ClusterSize / 8 * (long)ClusterSize;

    /// <summary>File length of an image of <paramref name="sizeBytes"/> to which nothing was written.</summary>
    public static long EmptyLength(long sizeBytes) => (3L + L1Clusters(Checked(sizeBytes))) * ClusterSize;

    /// <summary>Creates an image in which every cluster is unallocated.</summary>
    /// <param name="path">A path that does not exist yet.</param>
    /// <param name="sizeBytes">Size that the guest sees, a multiple of 512, at most 1 PiB.</param>
    /// <returns>Length of the file: as long as it stays so, nothing was written to the disk.</returns>
    /// <exception cref="IOException">The path exists, or the file system is full.</exception>
    /// <exception cref="ArgumentOutOfRangeException">No disk can have that size.</exception>
    public static long CreateEmpty(string path, long sizeBytes)
    {
        Checked(sizeBytes);
        // Clusters: header, refcount table, one refcount block (it counts 32,768 clusters of 2 bytes), L1 table.
        var l1Entries = L1Entries(sizeBytes);
        var clusters = 3 + L1Clusters(sizeBytes);

        var header = new byte[112];
        BinaryPrimitives.WriteUInt32BigEndian(header, 0x514649FB); // "QFI\xfb"
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(20), ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(24), sizeBytes);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(36), l1Entries);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(40), 3L * ClusterSize); // L1 table
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(48), 1L * ClusterSize); // refcount table
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(56), 1);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(96), 4); // refcount order: 16 bits
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(100), 104); // header length; an end-of-extensions mark follows

        var refcountTable = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(refcountTable, 2L * ClusterSize);
        var refcounts = new byte[clusters * 2];
        for (var i = 0; i < clusters; i++)
            BinaryPrimitives.WriteInt16BigEndian(refcounts.AsSpan(i * 2), 1);

        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.SetLength(file, (long)clusters * ClusterSize);
        RandomAccess.Write(file, header, 0);
        RandomAccess.Write(file, refcountTable, ClusterSize);
        RandomAccess.Write(file, refcounts, 2L * ClusterSize);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return (long)clusters * ClusterSize;
    }

    private static long Checked(long sizeBytes) => sizeBytes is > 0 and <= 1L << 50 && sizeBytes % 512 == 0
        ? sizeBytes
        : throw new ArgumentOutOfRangeException(nameof(sizeBytes), sizeBytes, "A disk has a multiple of 512 bytes, at most 1 PiB.");

    private static int L1Entries(long sizeBytes) => (int)((sizeBytes + BytesPerL2Table - 1) / BytesPerL2Table);

    private static int L1Clusters(long sizeBytes) => Math.Max(1, (L1Entries(sizeBytes) * 8 + ClusterSize - 1) / ClusterSize);
}
