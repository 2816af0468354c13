using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Server.E2B.Control;

namespace Mitos.Server.E2B;

/// <summary>The bodies of the control plane, as <c>e2b-openapi.yml</c> has them. Unknown fields are ignored, nulls left out.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, NumberHandling = JsonNumberHandling.Strict)]
[JsonSerializable(typeof(E2BError))]
[JsonSerializable(typeof(NewSandbox))]
[JsonSerializable(typeof(SandboxBody))]
[JsonSerializable(typeof(SandboxDetail))]
[JsonSerializable(typeof(List<SandboxDetail>))]
[JsonSerializable(typeof(TimeoutRequest))]
[JsonSerializable(typeof(ForkRequest))]
[JsonSerializable(typeof(List<ForkResultBody>))]
[JsonSerializable(typeof(List<MetricBody>))]
[JsonSerializable(typeof(ManyMetricsBody))]
[JsonSerializable(typeof(LogsBody))]
[JsonSerializable(typeof(LogsV2Body))]
[JsonSerializable(typeof(PauseRequest))]
[JsonSerializable(typeof(SnapshotRequest))]
[JsonSerializable(typeof(SnapshotBody))]
[JsonSerializable(typeof(List<SnapshotBody>))]
[JsonSerializable(typeof(List<TemplateBody>))]
[JsonSerializable(typeof(TemplateWithBuildsBody))]
[JsonSerializable(typeof(TemplateUpdateRequest))]
[JsonSerializable(typeof(TemplateUpdateBody))]
[JsonSerializable(typeof(TemplateAliasBody))]
[JsonSerializable(typeof(List<TeamBody>))]
[JsonSerializable(typeof(List<KeyBody>))]
[JsonSerializable(typeof(KeyBody))]
[JsonSerializable(typeof(NewKeyRequest))]
[JsonSerializable(typeof(List<EventBody>))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class E2BJson : JsonSerializerContext;
