namespace Mitos.Engine.Machines;

/// <summary>What a machine's hardware is. All machines of one generation have the same.</summary>
/// <param name="CpuCount">Virtual CPUs, 1 to 32.</param>
/// <param name="MemoryMiB">Guest memory, 128 to 65,536.</param>
/// <param name="DiskMiB">Size of the disk as the guest sees it.</param>
public readonly record struct MachineShape(int CpuCount, int MemoryMiB, int DiskMiB)
{
    public long MemoryBytes => (long)MemoryMiB << 20;

    public long DiskBytes => (long)DiskMiB << 20;
}
