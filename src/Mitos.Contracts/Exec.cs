namespace Mitos.Contracts;

/// <summary>Asks for a process. Give either <see cref="Argv"/>, or <see cref="Cmd"/> for a shell.</summary>
public sealed record ExecRequest
{
    /// <summary>Command and arguments. A command without a slash is looked up in PATH.</summary>
    public List<string>? Argv { get; init; }

    /// <summary>A line for <c>/bin/bash -lc</c>.</summary>
    public string? Cmd { get; init; }

    /// <summary>Environment, added to the sandbox's.</summary>
    public Dictionary<string, string>? Env { get; init; }

    /// <summary>Working directory. Default: the user's home.</summary>
    public string? Cwd { get; init; }

    /// <summary>Name or number. Default: <c>user</c> where the guest has it, else root.</summary>
    public string? User { get; init; }

    /// <summary>After this many milliseconds it gets SIGTERM, and SIGKILL 2 s later. Default 0: no limit.</summary>
    public int? TimeoutMs { get; init; }

    /// <summary>Simple calls only: all of its input.</summary>
    public string? StdinBase64 { get; init; }

    /// <summary>Streams only: input comes as messages. Default: it reads the end at once.</summary>
    public bool Stdin { get; init; }

    /// <summary>Streams only: a terminal instead of pipes; all output then comes on one channel.</summary>
    public TerminalBody? Tty { get; init; }

    /// <summary>Streams only: the process lives on when the client goes. Default: it is hung up on.</summary>
    public bool Detach { get; init; }
}

/// <summary>Size of a terminal in characters.</summary>
/// <param name="Rows">1 to 65535.</param>
/// <param name="Columns">1 to 65535.</param>
public sealed record TerminalBody(int Rows, int Columns);

/// <summary>What a simple call gave.</summary>
public sealed record ExecBody
{
    /// <summary>128 + signal when a signal ended it.</summary>
    public required int ExitCode { get; init; }

    /// <summary>The signal that ended it; 0: none.</summary>
    public required int Signal { get; init; }

    /// <summary>Output as UTF-8; bytes that are no UTF-8 are replaced, see <see cref="StdoutBase64"/>.</summary>
    public required string Stdout { get; init; }

    /// <summary>Error output as UTF-8; see <see cref="StderrBase64"/>.</summary>
    public required string Stderr { get; init; }

    /// <summary>The exact bytes of the output, only when they are no UTF-8.</summary>
    public string? StdoutBase64 { get; init; }

    /// <summary>The exact bytes of the error output, only when they are no UTF-8.</summary>
    public string? StderrBase64 { get; init; }

    /// <summary>Whether an output had more than 16 MiB; the rest of it was dropped.</summary>
    public required bool Truncated { get; init; }
}

/// <summary>A text message of a stream; <see cref="Type"/> is one of <see cref="ExecMessages"/>.</summary>
public sealed record ExecControl
{
    /// <summary>What it says.</summary>
    public required string Type { get; init; }

    /// <summary>Of <c>signal</c> and <c>exited</c>.</summary>
    public int? Signal { get; init; }

    /// <summary>Of <c>resize</c>.</summary>
    public int? Rows { get; init; }

    /// <summary>Of <c>resize</c>.</summary>
    public int? Columns { get; init; }

    /// <summary>Of <c>started</c>: the process's number in the guest.</summary>
    public int? Pid { get; init; }

    /// <summary>Of <c>started</c>: <see cref="ProcessBody.Id"/>.</summary>
    public string? Process { get; init; }

    /// <summary>Of <c>exited</c>: 128 + signal when a signal ended it.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Of <c>refused</c> and <c>error</c>.</summary>
    public ErrorBody? Error { get; init; }
}

/// <summary>The values of <see cref="ExecControl.Type"/>.</summary>
public static class ExecMessages
{
    /// <summary>From the client: the process reads the end of its input.</summary>
    public const string CloseStdin = "closeStdin";

    /// <summary>From the client: a signal to the process's group.</summary>
    public const string Signal = "signal";

    /// <summary>From the client: the terminal has another size.</summary>
    public const string Resize = "resize";

    /// <summary>From the server, first: it runs.</summary>
    public const string Started = "started";

    /// <summary>From the server: what the client asked was not done; the process goes on. Input is refused once and then dropped.</summary>
    public const string Refused = "refused";

    /// <summary>From the server, last: it ended, and all output came before.</summary>
    public const string Exited = "exited";

    /// <summary>From the server, last: it could not be started, or its sandbox is gone.</summary>
    public const string Error = "error";
}

/// <summary>First byte of a binary message of a stream: the channel that the rest belongs to.</summary>
public static class ExecChannel
{
    /// <summary>From the client.</summary>
    public const byte Stdin = 0;

    /// <summary>From the server; also all output of a terminal.</summary>
    public const byte Stdout = 1;

    /// <summary>From the server.</summary>
    public const byte Stderr = 2;
}
