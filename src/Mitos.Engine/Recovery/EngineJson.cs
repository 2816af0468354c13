using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Engine.Generations;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;

namespace Mitos.Engine.Recovery;

/// <summary>The types that the engine writes to disk.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(GenerationRecord))]
[JsonSerializable(typeof(SandboxRecord))]
[JsonSerializable(typeof(TemplateRecord))]
[JsonSerializable(typeof(EngineRecord))]
public sealed partial class EngineJson : JsonSerializerContext;

/// <summary>What is written once of an engine.</summary>
/// <param name="Id">8 hexadecimal digits; part of the names of its cgroups.</param>
public sealed record EngineRecord(string Id);
