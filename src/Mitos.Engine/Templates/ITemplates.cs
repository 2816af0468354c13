namespace Mitos.Engine.Templates;

/// <summary>All templates of one host.</summary>
public interface ITemplates
{
    /// <summary>Builds (or finds by content) a template. Progress is reported per step; an interrupted build leaves nothing behind.</summary>
    /// <exception cref="Errors.SandboxException">InvalidArgument, NotFound (parent), Conflict (being built), FailedPrecondition, CommandFailed (a step; the message has its output's tail).</exception>
    Task<TemplateInfo> BuildAsync(BuildTemplateSpec spec, IProgress<BuildProgress> progress, CancellationToken cancellationToken);

    IReadOnlyList<TemplateInfo> List();

    /// <exception cref="Errors.SandboxException">NotFound, with the nearest name.</exception>
    TemplateInfo Get(string name);

    /// <summary>The labels of a template; null: there is none of this name.</summary>
    IReadOnlyDictionary<string, string>? TryGetMetadata(string name);

    /// <summary>Replaces the labels of a template.</summary>
    /// <exception cref="Errors.SandboxException">NotFound; InvalidArgument: too many, or too long.</exception>
    TemplateInfo SetMetadata(string name, IReadOnlyDictionary<string, string> metadata);

    /// <exception cref="Errors.SandboxException">NotFound; FailedPrecondition when sandboxes or templates still use it.</exception>
    Task RemoveAsync(string name, CancellationToken cancellationToken);
}

/// <summary>What a template should be: a built-in one, or steps on top of another template.</summary>
public sealed record BuildTemplateSpec
{
    public required string Name { get; init; }
    /// <summary>The template that it starts from. Null only for built-in ones (<c>base</c>, <c>code-interpreter-v1</c>).</summary>
    public string? From { get; init; }
    /// <summary>Steps in order.</summary>
    public IReadOnlyList<BuildStep> Steps { get; init; } = [];
    /// <summary>Environment of the steps and of all processes of its sandboxes.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    /// <summary>A command that is left running when the machine is frozen; null: none.</summary>
    public string? StartCommand { get; init; }
    /// <summary>A command that must succeed (it is repeated for up to 60 s) before the machine is frozen; null: none.</summary>
    public string? ReadyCommand { get; init; }
    public int? CpuCount { get; init; }
    public int? MemoryMiB { get; init; }
    /// <summary>Labels that mean nothing to the engine, of one that is built for the first time: later builds leave them as they are.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
    /// <summary>Builds even when the same content was built before.</summary>
    public bool NoCache { get; init; }
}

/// <summary>One step: a shell command run as root, or a file copied in. Exactly one of <see cref="Run"/> and <see cref="CopyContent"/> is set.</summary>
public sealed record BuildStep
{
    public string? Run { get; init; }
    /// <summary>A tar archive of what is copied.</summary>
    public byte[]? CopyContent { get; init; }
    /// <summary>Where the archive is unpacked in the guest: an absolute directory.</summary>
    public string? CopyTarget { get; init; }
}

/// <summary>A template that can be used.</summary>
public sealed record TemplateInfo
{
    public required string Name { get; init; }
    public required string Generation { get; init; }
    public string? From { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMiB { get; init; }
    /// <summary>Disk of its sandboxes.</summary>
    public required int DiskMiB { get; init; }
    /// <summary>Non-zero memory of its generation, bytes.</summary>
    public required long MemoryBytes { get; init; }
    /// <summary>Its own disk data (without its parent's), bytes.</summary>
    public required long DiskBytes { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    /// <summary>Labels that mean nothing to the engine.</summary>
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    /// <summary>VMM and version that made it.</summary>
    public required string Vmm { get; init; }
    /// <summary>Living sandboxes that use it.</summary>
    public required int Sandboxes { get; init; }
    /// <summary>Sandboxes that were ever made of it (not those forked of them).</summary>
    public required long Spawned { get; init; }
    /// <summary>When the last one was. Null: none was.</summary>
    public DateTimeOffset? LastSpawnedAt { get; init; }
}

/// <summary>One line of progress of a build.</summary>
/// <param name="Step">Short name, for example <c>root file system</c>.</param>
/// <param name="Index">Index of the step, from 1.</param>
/// <param name="Count">Number of steps.</param>
/// <param name="Message">What is going on; a line of output of the step when <paramref name="IsOutput"/>.</param>
/// <param name="IsOutput">Whether the message came from the step itself.</param>
public readonly record struct BuildProgress(string Step, int Index, int Count, string Message, bool IsOutput);
