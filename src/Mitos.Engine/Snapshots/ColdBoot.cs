using Mitos.Engine.Disks;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Templates;

namespace Mitos.Engine.Snapshots;

/// <summary>
/// Makes a capture of a snapshot that has files and no memory: boots a machine on its disk, and freezes that. What comes of it is
/// then made like any child, so that one boot serves a resume and a fork into many alike.
/// </summary>
internal sealed class ColdBoot(MachineBooter booter, TemplateFreezer freezer)
{
    /// <summary>Memory that a machine which has just booted is known to need at most, bytes: an estimate for promises.</summary>
    public const long BootedBytes = 256L << 20;

    /// <summary>Boots it; takes seconds. The caller disposes the capture.</summary>
    /// <exception cref="Errors.SandboxException">Unavailable: it does not come up.</exception>
    public async Task<Capture> RunAsync(SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        var disk = new DiskStack(snapshot.Generation.BaseImage, [.. snapshot.Frozen.Select(LayerId.Parse)]);
        await using var booted = await booter.BootAsync(snapshot.Generation.Shape, disk, $"sandbox '{snapshot.Source.Id}'", cancellationToken);
        return await freezer.FreezeForNowAsync(booted, snapshot.Generation);
    }
}
