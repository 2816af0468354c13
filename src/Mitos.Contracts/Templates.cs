namespace Mitos.Contracts;

/// <summary>Asks for a template: a built-in one (<c>base</c>, <c>code-interpreter-v1</c>) without a parent, or steps on top of one.</summary>
public sealed record BuildTemplateRequest
{
    /// <summary>1 to 63 letters, digits, <c>. _ -</c>.</summary>
    public string? Name { get; init; }

    /// <summary>The template that it starts from. Default <c>base</c>; the built-in ones have none.</summary>
    public string? From { get; init; }

    /// <summary>In order.</summary>
    public List<BuildStepBody>? Steps { get; init; }

    /// <summary>Environment of the steps and of all processes of its sandboxes.</summary>
    public Dictionary<string, string>? Env { get; init; }

    /// <summary>A command that is left running when the machine is frozen.</summary>
    public string? Start { get; init; }

    /// <summary>A command that must succeed before it is frozen; repeated for up to 60 s.</summary>
    public string? Ready { get; init; }

    /// <summary>1 to 32. Default: the parent's.</summary>
    public int? CpuCount { get; init; }

    /// <summary>128 to 65536. Default: the parent's.</summary>
    public int? MemoryMiB { get; init; }

    /// <summary>Whether to build even if the same was built before. Default false.</summary>
    public bool NoCache { get; init; }
}

/// <summary>One step: a command, or a tar archive with the directory that it is unpacked in.</summary>
public sealed record BuildStepBody
{
    /// <summary>A command, run by a shell as root.</summary>
    public string? Run { get; init; }

    /// <summary>A tar archive.</summary>
    public string? CopyTarBase64 { get; init; }

    /// <summary>The absolute directory that the archive is unpacked in.</summary>
    public string? CopyTo { get; init; }
}

/// <summary>A template.</summary>
public sealed record TemplateBody
{
    /// <summary>Names it.</summary>
    public required string Name { get; init; }

    /// <summary>The generation that its sandboxes map.</summary>
    public required string Generation { get; init; }

    /// <summary>The template that it was built on; missing for built-in ones.</summary>
    public string? From { get; init; }

    /// <summary>Virtual processors of its sandboxes.</summary>
    public required int CpuCount { get; init; }

    /// <summary>Memory of its sandboxes.</summary>
    public required int MemoryMiB { get; init; }

    /// <summary>Memory of its generation that is not zero.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Its own disk data, without its parent's.</summary>
    public required long DiskBytes { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>VMM and version that made it.</summary>
    public required string Vmm { get; init; }

    /// <summary>Running sandboxes that use it.</summary>
    public required int Sandboxes { get; init; }

    /// <summary>Whether all teams may use it; else its own only.</summary>
    public required bool Public { get; init; }
}

/// <summary>Changes a template, which its own team and the local user may.</summary>
/// <param name="Public">Whether all teams may use it. Needed.</param>
public sealed record UpdateTemplateRequest(bool? Public);

/// <summary>One line of a build's answer: progress, and last the template or the error.</summary>
public sealed record BuildEvent
{
    /// <summary>The step that is under way.</summary>
    public string? Step { get; init; }

    /// <summary>Its number, from 1.</summary>
    public int? Index { get; init; }

    /// <summary>How many there are.</summary>
    public int? Count { get; init; }

    /// <summary>What goes on.</summary>
    public string? Message { get; init; }

    /// <summary>Whether the message is a line of the step's own output.</summary>
    public bool Output { get; init; }

    /// <summary>Only in the last line: it was built.</summary>
    public TemplateBody? Template { get; init; }

    /// <summary>Only in the last line: it was not.</summary>
    public ErrorBody? Error { get; init; }
}
