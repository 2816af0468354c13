namespace Mitos.Contracts;

/// <summary>Asks for a template: <c>base</c> without a parent, or steps on top of one.</summary>
public sealed record BuildTemplateRequest
{
    public string? Name { get; init; }
    public string? From { get; init; }
    public List<BuildStepBody>? Steps { get; init; }
    public Dictionary<string, string>? Env { get; init; }
    /// <summary>Left running when the machine is frozen.</summary>
    public string? Start { get; init; }
    /// <summary>Must succeed before it is frozen; repeated for up to 60 s.</summary>
    public string? Ready { get; init; }
    public int? CpuCount { get; init; }
    public int? MemoryMiB { get; init; }
    public bool NoCache { get; init; }
}

/// <summary>One step: a command, or a tar archive with the directory that it is unpacked in.</summary>
public sealed record BuildStepBody
{
    public string? Run { get; init; }
    public string? CopyTarBase64 { get; init; }
    public string? CopyTo { get; init; }
}

/// <summary>A template.</summary>
public sealed record TemplateBody
{
    public required string Name { get; init; }
    public required string Generation { get; init; }
    public string? From { get; init; }
    public required int CpuCount { get; init; }
    public required int MemoryMiB { get; init; }
    public required long MemoryBytes { get; init; }
    public required long DiskBytes { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required string Vmm { get; init; }
    public required int Sandboxes { get; init; }
}

/// <summary>One line of a build's answer: progress, and last the template or the error.</summary>
public sealed record BuildEvent
{
    public string? Step { get; init; }
    public int? Index { get; init; }
    public int? Count { get; init; }
    public string? Message { get; init; }
    /// <summary>Whether the message is a line of the step's own output.</summary>
    public bool Output { get; init; }
    public TemplateBody? Template { get; init; }
    public ErrorBody? Error { get; init; }
}
