using System.Text.Json.Serialization;
using Mitos.Engine.Templates.Recipes;

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
    /// <summary>Sandboxes that were ever made of it, in any shape; stays when it is built anew.</summary>
    public long Spawned { get; init; }
    /// <summary>When the last one was. Null: never, or before this was written down.</summary>
    public DateTimeOffset? LastSpawnedAt { get; init; }
    /// <summary>What was started in it and in those that it stands on, the first first. Null: it was made before this was written down.</summary>
    public IReadOnlyList<StartupRecord>? Startups { get; init; }

    /// <summary>What runs in it.</summary>
    [JsonIgnore]
    public IReadOnlyList<StartupRecord> AllStartups => Startups ?? (From is null ? BuiltInTemplates.TryGet(Name)?.Startups : null) ?? [];
}
