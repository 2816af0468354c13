namespace Mitos.Engine.Templates;

/// <summary>What is written of a template.</summary>
public sealed record TemplateRecord
{
    public required string Name { get; init; }
    public required string Generation { get; init; }
    public string? From { get; init; }
    /// <summary>SHA-256 over all that its content depends on.</summary>
    public required string ContentKey { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
    /// <summary>Labels that mean nothing to the engine. They stay when the template is built anew. Null: none.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}
