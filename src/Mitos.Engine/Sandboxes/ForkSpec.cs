namespace Mitos.Engine.Sandboxes;

/// <summary>What to make of a running sandbox.</summary>
public sealed record ForkSpec
{
    /// <summary>Most children of one call.</summary>
    public const int MaxCount = 100;

    /// <summary>Number of children, 1 to <see cref="MaxCount"/>. Default 1.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Ids of the children, by index, when the caller wrote them down before; the rest get new ones.</summary>
    public IReadOnlyList<SandboxId> Ids { get; init; } = [];

    /// <summary>Environment added to that of the source, for all children.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Labels of the children, added to those of the source.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Names of the children, by index, unique in the scope of the source; shorter lists leave the rest without a name.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];
}
