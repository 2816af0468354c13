using System.Text.Json.Serialization;
using Mitos.Engine.Disks;
using Mitos.Engine.Machines;

namespace Mitos.Engine.Generations;

/// <summary>What is written of a generation: beside its files when it is a template's, in its machines' journals always.</summary>
public sealed record GenerationRecord
{
    /// <summary>16 hexadecimal digits.</summary>
    public required string Id { get; init; }

    public required MachineShape Shape { get; init; }

    /// <summary>Path of the raw image at the bottom of its disk.</summary>
    public required string BaseImage { get; init; }

    /// <summary>Ids of its frozen disk layers, the lowest first.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>VMM, version and accelerator that made it; it is loaded nowhere else.</summary>
    public required string Vmm { get; init; }

    /// <summary>Whether it has files and so survives the engine; else it lives as long as a machine maps it.</summary>
    public required bool Persistent { get; init; }

    /// <summary>Of one without files: the one with files that it descends from.</summary>
    public string? Root { get; init; }

    /// <summary>Bytes of memory that are not zero.</summary>
    public long ImageBytes { get; init; }

    /// <summary>SHA-256 of the memory file's data with the place of each run, and of the device state.</summary>
    public string Checksum { get; init; } = "";

    /// <summary>Whether it can be one of ours: what was read may be damaged in ways that are still JSON.</summary>
    [JsonIgnore]
    public bool IsSound => Shape is { CpuCount: > 0, MemoryMiB: > 0, DiskMiB: > 0 } && Layers.All(layer => LayerId.TryParse(layer, out _));
}
