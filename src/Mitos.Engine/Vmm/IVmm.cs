using Mitos.Engine.Disks;
using Mitos.Linux;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Vmm;

/// <summary>
/// One VMM process. States: Booting/Running and Paused for a machine; Shell until <see cref="Load"/>, which
/// leaves it Paused or Running. Each method says where it is legal. A <see cref="Errors.VmmException"/> leaves the machine usable only where that is said.
/// Methods block; calls of one machine are serialised by its driver.
/// </summary>
public interface IVmm : IDisposable
{
    string Id { get; }

    HostProcess Process { get; }

    /// <summary>Opens a stream to the guest's agent; one client at a time. Legal always; before there is an agent it may fail or wait.</summary>
    /// <exception cref="IOException">Nothing accepts it now.</exception>
    ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken);

    /// <summary>Where the guest's memory lies in the process, in guest-physical order, holes left out. Legal but in a shell, where it may be empty.</summary>
    IReadOnlyList<GuestMemoryRegion> Memory { get; }

    /// <summary>Stops the virtual CPUs and settles device input and output. Running -> Paused.</summary>
    void Pause(Deadline deadline);

    /// <summary>Running again. Paused -> Running.</summary>
    void Resume(Deadline deadline);

    /// <summary>Makes ready for <see cref="SaveDeviceState"/>, outside the pause. Legal always.</summary>
    void PrepareSave(Deadline deadline);

    /// <summary>Saves all device and CPU state, no memory. Paused -> Paused. May write guest memory: read the delta afterwards.</summary>
    void SaveDeviceState(Deadline deadline);

    /// <summary>The bytes of the last save. Legal after it, in any state.</summary>
    byte[] TakeDeviceState(Deadline deadline);

    /// <summary>
    /// Makes a machine of a shell: memory, then device state. Shell -> Paused, or Running already where the VMM cannot wait
    /// (QEMU); <see cref="Resume"/> follows in any case. A failure ends the process.
    /// </summary>
    /// <param name="state">A device state of the shell's generation or of a descendant.</param>
    /// <param name="writeMemory">Called once, when guest memory is mapped and nothing runs in it: writes the delta.</param>
    /// <param name="deadline">Until when.</param>
    void Load(ReadOnlyMemory<byte> state, Action<IReadOnlyList<GuestMemoryRegion>> writeMemory, Deadline deadline);

    /// <summary>Puts frozen layers between a shell's own frozen layers and its active layer. Shell -> Shell.</summary>
    /// <param name="stack">The whole stack; its base image is the shell's.</param>
    /// <param name="deadline">Until when.</param>
    void SetDisk(DiskStack stack, Deadline deadline);

    /// <summary>Adds an empty layer for the next <see cref="FreezeDisk"/>. Running or Paused.</summary>
    void AddLayer(LayerId layer, Deadline deadline);

    /// <summary>Makes ready for <see cref="FreezeDisk"/>, outside the pause. Legal always.</summary>
    void PrepareFreeze(LayerId active, LayerId next);

    /// <summary>Keeps what the disk holds now, with the help of an added layer. Paused -> Paused.</summary>
    FrozenLayer FreezeDisk(LayerId active, LayerId next, Deadline deadline);

    /// <summary>Which layer takes the writes now, as the process says. Legal always; for adoption.</summary>
    LayerId ReadActiveLayer(Deadline deadline);

    /// <summary>Copies all frozen layers into the active one, in the background; the base image stays. Running.</summary>
    void StartFlatten(LayerId active, Deadline deadline);

    /// <summary>Whether the copying that was started is over. Running.</summary>
    /// <exception cref="Errors.VmmException">It failed; the layers are as they were.</exception>
    bool IsFlattened(Deadline deadline);

    /// <summary>Drops a copying that is not over; the layers are as they were. Running.</summary>
    void CancelFlatten(LayerId active, Deadline deadline);

    /// <summary>Whether the virtual CPUs stand still. Legal always.</summary>
    bool ReadIsPaused(Deadline deadline);

    /// <summary>Takes the user-mode network away; the guest's card stays, without a cable. Its state would fit no other machine. Running.</summary>
    void RemoveNetwork(Deadline deadline);

    /// <summary>Lets go of the process, which lives on and can be adopted. The object cannot be used any more.</summary>
    void Detach();

    /// <summary>Takes what the guest wrote to its console since the last call.</summary>
    byte[] ReadConsole(Deadline deadline);
}

/// <summary>A part of guest memory in the address space of its VMM.</summary>
/// <param name="Address">Its address there.</param>
/// <param name="Length">Bytes.</param>
/// <param name="FileOffset">Where it begins in the generation's memory file.</param>
public readonly record struct GuestMemoryRegion(ulong Address, long Length, long FileOffset);

/// <summary>Which layer holds what a disk held when it was frozen.</summary>
public enum FrozenLayer
{
    /// <summary>None: nothing was ever written to the active layer, which stays active.</summary>
    None,

    /// <summary>The one that was active; the added one takes the writes from here on.</summary>
    Active,

    /// <summary>The added one, a full copy of all that is below it; the active one stays active.</summary>
    Next,
}
