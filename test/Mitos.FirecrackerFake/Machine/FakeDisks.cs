using Microsoft.Win32.SafeHandles;
using Mitos.Protocol.Messages;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>The machine's drives: files of the host. Another file can be put behind a drive while the machine lives.</summary>
internal sealed class FakeDisks
{
    private const ulong Sector = 512, MaxBytes = 4096;
    private readonly List<(DriveState State, SafeFileHandle File)> _disks = [];

    /// <summary>Says no, and why.</summary>
    public delegate AgentErrorCode Refusal(AgentErrorCode code, string reason);

    public IReadOnlyList<DriveState> States => _disks.Select(disk => disk.State).ToList();

    /// <summary>Adds a drive, or puts another file behind one.</summary>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public void Set(DriveState drive)
    {
        var file = Libc.Open(drive.Path, write: !drive.IsReadOnly);
        var at = _disks.FindIndex(disk => disk.State.Id == drive.Id);
        if (at < 0)
        {
            _disks.Add((drive, file));
            return;
        }
        _disks[at].File.Dispose();
        _disks[at] = (drive, file);
    }

    /// <summary>Limits a drive, whose file stays as it is.</summary>
    public void SetLimiter(string id, string limiter)
    {
        var at = _disks.FindIndex(disk => disk.State.Id == id);
        _disks[at] = (_disks[at].State with { RateLimiter = limiter }, _disks[at].File);
    }

    public void Describe(WireWriter writer)
    {
        writer.Number(_disks.Count);
        foreach (var (state, file) in _disks)
            writer.Number(SectorsOf(file)).Flag(state.IsReadOnly);
    }

    public AgentErrorCode Read(ulong disk, ulong sector, ulong length, bool failed, WireWriter writer, Refusal refuse)
    {
        if (failed)
            return 0;
        if (Check(disk, sector, length, refuse) is var code && code != 0)
            return code;
        var bytes = new byte[length];
        RandomAccess.Read(_disks[(int)disk].File, bytes, (long)(sector * Sector));
        writer.Raw(bytes);
        return 0;
    }

    public AgentErrorCode Write(ulong disk, ulong sector, bool failed, ReadOnlySpan<byte> bytes, Refusal refuse)
    {
        if (failed)
            return 0;
        if (Check(disk, sector, (ulong)bytes.Length, refuse) is var code && code != 0)
            return code;
        if (_disks[(int)disk].State.IsReadOnly)
            return refuse(AgentErrorCode.FailedPrecondition, "the disk is read-only");
        RandomAccess.Write(_disks[(int)disk].File, bytes, (long)(sector * Sector));
        return 0;
    }

    public AgentErrorCode Flush(ulong disk, bool failed, Refusal refuse)
    {
        if (failed)
            return 0;
        return disk < (ulong)_disks.Count ? 0 : refuse(AgentErrorCode.NotFound, "there is no such disk");
    }

    private AgentErrorCode Check(ulong disk, ulong sector, ulong length, Refusal refuse)
    {
        if (disk >= (ulong)_disks.Count)
            return refuse(AgentErrorCode.NotFound, "there is no such disk");
        if (length is 0 or > MaxBytes || length % Sector != 0)
            return refuse(AgentErrorCode.InvalidArgument, "512 to 4096 bytes are possible, whole sectors of 512");
        var sectors = SectorsOf(_disks[(int)disk].File);
        return sector > sectors || length / Sector > sectors - sector ? refuse(AgentErrorCode.InvalidArgument, "the sectors are beyond the end of the disk") : 0;
    }

    private static ulong SectorsOf(SafeFileHandle file) => (ulong)RandomAccess.GetLength(file) / Sector;
}
