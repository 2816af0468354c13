using System.Text.Json.Serialization;
using Mitos.Contracts;

namespace Mitos.Cli.Terminal;

/// <summary>What <c>--json</c> prints where the daemon's own answer is not it.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoppedBody))]
[JsonSerializable(typeof(List<RemovedBody>))]
[JsonSerializable(typeof(List<ChangedBody>))]
[JsonSerializable(typeof(List<ChangedTemplateBody>))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(CopiedBody))]
[JsonSerializable(typeof(ConsoleBody))]
[JsonSerializable(typeof(List<UseBody>))]
[JsonSerializable(typeof(CompletionBody))]
[JsonSerializable(typeof(InstalledBody))]
[JsonSerializable(typeof(DemoBody))]
internal sealed partial class CliJson : JsonSerializerContext;

/// <summary>down: whether the daemon ran, and how many sandboxes go on.</summary>
internal sealed record StoppedBody(bool WasRunning, int Sandboxes);

/// <summary>rm: one of those that were named.</summary>
internal sealed record RemovedBody(string Id, bool Removed, ErrorBody? Error);

/// <summary>pause, resume: one of those that were named, as it is now, or why it is not.</summary>
internal sealed record ChangedBody(string Id, SandboxBody? Sandbox, ErrorBody? Error);

/// <summary>template publish, unpublish: one of those that were named, as it is now, or why it is not.</summary>
internal sealed record ChangedTemplateBody(string Name, TemplateBody? Template, ErrorBody? Error);

/// <summary>cp: bytes of the file, or of the archive of a directory.</summary>
internal sealed record CopiedBody(string Source, string Target, long Bytes);

/// <summary>logs: what is new on the console.</summary>
internal sealed record ConsoleBody(string Id, string Console);

/// <summary>top: one sandbox; the processor's share since the last look, 100 for one whole processor; of a paused one only what it takes on disk.</summary>
internal sealed record UseBody(string Id, string? Name, string State, double CpuPercent, MetricsBody? Metrics, long? SavedBytes);

/// <summary>completion: what to give to the shell.</summary>
internal sealed record CompletionBody(string Shell, string Script);

/// <summary>vmm install: the binary, and the SHA-256 of the archive that it came from.</summary>
internal sealed record InstalledBody(string Vmm, string Version, string Path, string Sha256);

/// <summary>demo: what was seen.</summary>
internal sealed record DemoBody(string Source, double WarmUpSeconds, MemoryBody SourceMemory, ForkTimingsBody Fork, List<DemoChildBody> Children);

/// <summary>One child of the demo.</summary>
internal sealed record DemoChildBody(string Id, int Index, string Strategy, long ReadyUs, long FirstCommandUs, MemoryBody Memory, long GenerationBytes, double Score, bool Best);
