using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Vmm;
using Mitos.Linux;

namespace Mitos.Engine.Snapshots;

/// <summary>The pages of a snapshot that one machine is made of.</summary>
internal sealed class SavedDelta(SnapshotReader reader, SnapshotRecord record) : IDelta
{
    public void WriteTo(int pid, IReadOnlyList<GuestMemoryRegion> regions)
    {
        try
        {
            reader.WritePages(pid, regions);
        }
        catch (Exception e) when (IsDamage(e))
        {
            throw Damaged(record, e);
        }
    }

    public void Dispose() => reader.Dispose();

    /// <summary>Whether the files are at fault, and not the machine or this host.</summary>
    public static bool IsDamage(Exception e) => e is InvalidDataException or (IOException and not LinuxException);

    public static SandboxException Damaged(SnapshotRecord record, Exception e) => new(
        ErrorCode.FailedPrecondition, $"The snapshot {record.Id} of sandbox '{record.Source.Id}' cannot be read: {e.Message}.", "Its files are damaged or gone; remove it, and take another.", e);
}
