using Mitos.Engine.Disks;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Vmm;

/// <summary>
/// One kind of VMM. A driver knows how its VMM is started, paused, saved and loaded; it knows nothing of sandboxes,
/// forks or templates. Its machines pass the conformance suite (test/Mitos.MachineTests/Conformance).
/// </summary>
public interface IVmmDriver
{
    /// <summary>The descriptor by which every VMM process has its generation's memory file; who adopts it finds the file there.</summary>
    const int MemoryDescriptor = 3;

    /// <summary>What was found on this host.</summary>
    VmmFacts Facts { get; }

    /// <summary>Files and directories that its processes read by their paths, beside /proc/self and devices; all else they get as descriptors.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>Where machines take a disk image from that many are to be made of. May copy it, once; call it outside of anything timed.</summary>
    /// <param name="image">Path of a raw image that never changes.</param>
    /// <exception cref="IOException">The host's disk is full, for example.</exception>
    string PlaceImage(string image);

    /// <summary>Makes the file of a layer that nothing was written to.</summary>
    /// <param name="path">Must not exist.</param>
    /// <param name="diskBytes">Size of the disk as the guest sees it.</param>
    /// <exception cref="IOException">The host's disk is full, for example.</exception>
    void CreateLayer(string path, long diskBytes);

    /// <summary>Starts a process: a machine that boots, or a shell. Returns when its control socket answers.</summary>
    /// <exception cref="Errors.VmmException">It did not start; the message has its own words.</exception>
    IVmm Start(VmmSpec spec);

    /// <summary>Takes over a process that an earlier engine started and that still runs.</summary>
    /// <exception cref="Errors.VmmException">It does not answer.</exception>
    IVmm Adopt(VmmSpec spec, HostProcess process);
}

/// <summary>A VMM on this host. Capabilities are data, read before the call.</summary>
/// <param name="Name"><c>qemu</c> or <c>firecracker</c>.</param>
/// <param name="Version">Its own version.</param>
/// <param name="Binary">Path.</param>
/// <param name="Accelerator"><c>kvm</c> or <c>tcg</c>.</param>
/// <param name="AcceleratorReason">Why that one.</param>
public sealed record VmmFacts(string Name, string Version, string Binary, string Accelerator, string AcceleratorReason)
{
    /// <summary>What a generation records, and must be equal where it is loaded.</summary>
    public string Fingerprint => HostKey.Length == 0 ? $"{Name} {Version} {Accelerator} {DeviceModel}" : $"{Name} {Version} {Accelerator} {DeviceModel} on {HostKey}";

    /// <summary>Processor and kernel, where a device state depends on them: with hardware virtualisation. Else empty.</summary>
    public string HostKey { get; init; } = "";

    /// <summary>Which of its ways to save a device state is used; empty where there is one.</summary>
    public string Method { get; init; } = "";

    /// <summary>Changes whenever the driver presents a guest with other devices: a device state fits only the devices it was saved with.</summary>
    public string DeviceModel { get; init; } = "";

    /// <summary>Whether builds of templates can have a network. Default true.</summary>
    public bool HasBuildNetwork { get; init; } = true;

    /// <summary>How hosts reach the agent in its guests.</summary>
    public AgentTransport Agent { get; init; }
}

/// <summary>A way to the guest's agent.</summary>
public enum AgentTransport
{
    /// <summary>A virtio-serial port.</summary>
    Serial,

    /// <summary>vsock.</summary>
    Vsock,
}
