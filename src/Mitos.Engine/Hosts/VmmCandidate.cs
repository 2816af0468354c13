using Mitos.Engine.Disks;
using Mitos.Engine.Vmm;

namespace Mitos.Engine.Hosts;

/// <summary>A VMM that was found on this host.</summary>
/// <param name="Facts">What it is.</param>
/// <param name="SharesBlocks">Whether its disks are whole files that share blocks, so that they need a file system with reflinks.</param>
/// <param name="Make">Makes its driver, given the disks.</param>
public sealed record VmmCandidate(VmmFacts Facts, bool SharesBlocks, Func<LayerStore, IVmmDriver> Make)
{
    /// <summary>Opens the disk layers of a state directory, on a file system that this VMM can work with.</summary>
    /// <exception cref="Errors.SandboxException">FailedPrecondition: there is none, and none can be made.</exception>
    public async Task<LayerStore> OpenLayersAsync(string stateDirectory, CancellationToken cancellationToken) =>
        new(Path.Combine(SharesBlocks ? await ReflinkVolume.OpenAsync(stateDirectory, cancellationToken) : stateDirectory, "layers"));
}
