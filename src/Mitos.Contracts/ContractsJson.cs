using System.Text.Json.Serialization;

namespace Mitos.Contracts;

/// <summary>How the records are read and written: camel case, nulls left out, by generated code.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(CreateSandboxRequest))]
[JsonSerializable(typeof(ForkRequest))]
[JsonSerializable(typeof(SandboxBody))]
[JsonSerializable(typeof(List<SandboxBody>))]
[JsonSerializable(typeof(ForkBody))]
[JsonSerializable(typeof(List<TreeNodeBody>))]
[JsonSerializable(typeof(MetricsBody))]
[JsonSerializable(typeof(ExecRequest))]
[JsonSerializable(typeof(ExecBody))]
[JsonSerializable(typeof(ExecControl))]
[JsonSerializable(typeof(List<ProcessBody>))]
[JsonSerializable(typeof(SignalRequest))]
[JsonSerializable(typeof(FileBody))]
[JsonSerializable(typeof(List<FileBody>))]
[JsonSerializable(typeof(MoveRequest))]
[JsonSerializable(typeof(WrittenBody))]
[JsonSerializable(typeof(BuildTemplateRequest))]
[JsonSerializable(typeof(TemplateBody))]
[JsonSerializable(typeof(List<TemplateBody>))]
[JsonSerializable(typeof(BuildEvent))]
[JsonSerializable(typeof(HostBody))]
[JsonSerializable(typeof(HealthBody))]
[JsonSerializable(typeof(KeyBody))]
[JsonSerializable(typeof(List<KeyBody>))]
[JsonSerializable(typeof(CreateKeyRequest))]
[JsonSerializable(typeof(ErrorBody))]
public sealed partial class ContractsJson : JsonSerializerContext;
