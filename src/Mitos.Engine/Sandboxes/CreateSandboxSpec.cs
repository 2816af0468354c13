namespace Mitos.Engine.Sandboxes;

/// <summary>What a new sandbox should be.</summary>
public sealed record CreateSandboxSpec
{
    /// <summary>Its id, when the caller wrote it down before; null: a new one.</summary>
    public SandboxId? Id { get; init; }

    /// <summary>Name of the template. Default <c>base</c>.</summary>
    public string Template { get; init; } = "base";

    /// <summary>Id or name of a snapshot, which it is made of instead of the template; null: none.</summary>
    public string? Snapshot { get; init; }

    /// <summary>A name of the user's choice: letters, digits, <c>. _ -</c>, at most 63; unique among living sandboxes of its scope. None by default.</summary>
    public string? Name { get; init; }

    /// <summary>In what its name is unique, and those of all that is forked from it; of the caller's choice.</summary>
    public string Scope { get; init; } = "";

    /// <summary>Virtual CPUs. Null: as the template has. A value that the template does not have makes a generation of that shape once.</summary>
    public int? CpuCount { get; init; }

    /// <summary>Guest memory in MiB. Null: as the template has.</summary>
    public int? MemoryMiB { get; init; }

    /// <summary>Environment of every process started in it.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Labels that mean nothing to the engine.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
}
