using Mitos.Engine.Errors;
using Mitos.Engine.Forks;

namespace Mitos.Engine.Snapshots;

/// <summary>The pages of a snapshot that one machine is made of.</summary>
internal sealed class SavedDelta(SnapshotReader reader, SnapshotRecord record) : IDelta
{
    public void WriteTo(int pid, IReadOnlyList<ulong> addresses)
    {
        try
        {
            reader.WritePages(pid, addresses);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw Damaged(record, e);
        }
    }

    public void Dispose() => reader.Dispose();

    public static SandboxException Damaged(SnapshotRecord record, Exception e) => new(
        ErrorCode.FailedPrecondition, $"The snapshot {record.Id} of sandbox '{record.Source.Id}' cannot be read: {e.Message}.", "Its files are damaged or gone; remove it, and take another.", e);
}
