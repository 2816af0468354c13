using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Engine.Generations;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;

namespace Mitos.Engine.Recovery;

/// <summary>The types that the engine writes to disk.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(GenerationRecord))]
[JsonSerializable(typeof(SandboxRecord))]
[JsonSerializable(typeof(TemplateRecord))]
[JsonSerializable(typeof(EngineRecord))]
[JsonSerializable(typeof(SelfTestRecord))]
[JsonSerializable(typeof(SnapshotRecord))]
internal sealed partial class EngineJson : JsonSerializerContext;
