using Mitos.Contracts;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.Api;

/// <summary>What our own API shows of sandboxes: as the engine has them, with what they are paused in, and their ends.</summary>
internal sealed class SandboxBodies(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases)
{
    /// <param name="info">The sandbox.</param>
    /// <param name="memory">Whether to measure it, where it runs.</param>
    /// <param name="withToken">Whether its secret is shown: to its maker.</param>
    public SandboxBody Describe(SandboxInfo info, bool memory = false, bool withToken = false)
    {
        var paused = info.State == SandboxState.Paused ? snapshots.TryFindPaused(info.Id) : null;
        var end = leases.Find(info.Id.ToString()) is { HasEnd: true } lease ? lease : null;
        return info.ToBody(memory ? TryMeasure(info) : null, withToken) with
        {
            PausedAt = paused?.CreatedAt,
            SavedBytes = paused?.FileBytes,
            FilesOnly = paused is not null && info.FilesOnly ? true : null,
            EndsAt = end?.EndAt,
            OnTimeout = end is null ? null : end.AutoPause ? "pause" : "kill",
        };
    }

    public ForkBody Describe(ForkResult result) => result.ToBody(child => Describe(child, withToken: true));

    private MemoryUsage? TryMeasure(SandboxInfo info)
    {
        try
        {
            return info.State == SandboxState.Running ? sandboxes.ReadMemory(info.Id) : null;
        }
        catch (SandboxException)
        {
            return null; // it ended in between
        }
    }
}
