namespace Mitos.Contracts;

/// <summary>Asks for a process. Give <see cref="Argv"/>, or <see cref="Cmd"/> for a shell.</summary>
public sealed record ExecRequest
{
    public List<string>? Argv { get; init; }
    /// <summary>Run by <c>/bin/bash -lc</c>.</summary>
    public string? Cmd { get; init; }
    public Dictionary<string, string>? Env { get; init; }
    /// <summary>Default: the user's home.</summary>
    public string? Cwd { get; init; }
    /// <summary>Default: <c>user</c> where the guest has it.</summary>
    public string? User { get; init; }
    /// <summary>0: no limit.</summary>
    public int? TimeoutMs { get; init; }
    /// <summary>Input of a simple call.</summary>
    public string? StdinBase64 { get; init; }
    /// <summary>Streaming only: input comes as messages.</summary>
    public bool Stdin { get; init; }
    /// <summary>Streaming only: a terminal.</summary>
    public TerminalBody? Tty { get; init; }
    /// <summary>Streaming only: the process lives on when the client goes.</summary>
    public bool Detach { get; init; }
}

/// <summary>Size of a terminal in characters.</summary>
public sealed record TerminalBody(int Rows, int Columns);

/// <summary>What a simple call gave.</summary>
public sealed record ExecBody
{
    /// <summary>128 + signal when a signal ended it.</summary>
    public required int ExitCode { get; init; }
    /// <summary>0: none.</summary>
    public required int Signal { get; init; }
    /// <summary>As UTF-8; what is no UTF-8 is replaced, see <see cref="StdoutBase64"/>.</summary>
    public required string Stdout { get; init; }
    public required string Stderr { get; init; }
    /// <summary>The bytes, when they are no UTF-8.</summary>
    public string? StdoutBase64 { get; init; }
    public string? StderrBase64 { get; init; }
    /// <summary>Whether there was more than 16 MiB of an output; the rest was dropped.</summary>
    public required bool Truncated { get; init; }
}

/// <summary>
/// A text message of a stream. From the client: <c>closeStdin</c>, <c>signal</c>, <c>resize</c>. From the server: <c>started</c>,
/// <c>exited</c>, <c>error</c>.
/// </summary>
public sealed record ExecControl
{
    public required string Type { get; init; }
    public int? Signal { get; init; }
    public int? Rows { get; init; }
    public int? Columns { get; init; }
    public int? Pid { get; init; }
    public int? ExitCode { get; init; }
    public ErrorBody? Error { get; init; }
}

/// <summary>First byte of a binary message of a stream: which channel the rest belongs to.</summary>
public static class ExecChannel
{
    public const byte Stdin = 0;
    public const byte Stdout = 1;
    public const byte Stderr = 2;
}
