using System.Collections.Immutable;
using Mitos.Engine.Disks;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Generations;

/// <summary>A sealed instant that machines map. Its memory cannot be changed by anybody; see <see cref="MemoryFile.Seal"/>.</summary>
public sealed class Generation : IDisposable
{
    private readonly LayerStore _layers;
    private int _users = 1;

    public Generation(GenerationRecord record, MemoryFile memory, byte[] deviceState, LayerStore layers)
    {
        if (!memory.IsSealed || memory.Length != record.Shape.MemoryBytes)
            throw new ArgumentException($"Generation {record.Id} needs a sealed memory file of {record.Shape.MemoryMiB} MiB.", nameof(memory));
        Record = record;
        Memory = memory;
        DeviceState = deviceState;
        Disk = new DiskStack(record.BaseImage, [.. record.Layers.Select(LayerId.Parse)]);
        _layers = layers;
        layers.Acquire(Disk.Frozen);
    }

    public GenerationRecord Record { get; }

    public string Id => Record.Id;

    public MemoryFile Memory { get; }

    /// <summary>State to load when a machine is made of the generation itself; empty when only captures load onto it.</summary>
    public byte[] DeviceState { get; }

    public DiskStack Disk { get; }

    /// <summary>Counts one more user; <see cref="Dispose"/> counts one less and frees the generation with the last.</summary>
    public Generation Acquire()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) != 0)
            return;
        Memory.Dispose();
        _layers.Release(Disk.Frozen);
    }
}
