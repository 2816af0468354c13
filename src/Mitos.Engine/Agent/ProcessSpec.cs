using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>A process to start in a guest.</summary>
public sealed record ProcessSpec
{
    /// <summary>Command and arguments; a command without a slash is looked up in the process's PATH.</summary>
    public required IReadOnlyList<string> Argv { get; init; }

    /// <summary>Working directory. Empty: the user's home.</summary>
    public string Directory { get; init; } = "";

    /// <summary>Environment, added to the machine's.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Environment between the machine's and <see cref="Environment"/>, which lists do not tell.</summary>
    public IReadOnlyDictionary<string, string> Surroundings { get; init; } = new Dictionary<string, string>();

    /// <summary>Name or number. Empty: <c>user</c> where the guest has it, else root.</summary>
    public string User { get; init; } = "";

    /// <summary>Whether its input is open; else it reads the end at once.</summary>
    public bool Stdin { get; init; }

    /// <summary>A terminal of this size; null: pipes.</summary>
    public TerminalSize? Terminal { get; init; }

    /// <summary>After this the process group gets SIGTERM, and SIGKILL 2 s later. Zero: no limit.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>The user's name for it, of any form; empty: none. Listed, and the same in forks.</summary>
    public string Tag { get; init; } = "";

    /// <summary>Names it. A start with a key that exists finds that process.</summary>
    public ProcessKey Key { get; init; } = ProcessKey.New();
}

/// <summary>Size of a terminal in characters.</summary>
public readonly record struct TerminalSize(int Rows, int Columns);

/// <summary>How a process ended.</summary>
/// <param name="Code">Its exit code; 128 + signal when a signal ended it.</param>
/// <param name="Signal">That signal; 0: none.</param>
public readonly record struct ProcessExit(int Code, int Signal);

/// <summary>Something that a process did: output, or its end, which comes last and once.</summary>
/// <param name="Stream">Which output.</param>
/// <param name="Offset">Place of the first byte in the stream.</param>
/// <param name="Bytes">Empty for the end.</param>
/// <param name="Exit">Set for the end.</param>
public readonly record struct ProcessEvent(OutputStream Stream, ulong Offset, ReadOnlyMemory<byte> Bytes, ProcessExit? Exit);

/// <summary>A process that the host started. Its environment is <see cref="ProcessSpec.Environment"/>, where it was asked for and while it runs; else empty.</summary>
public sealed record ProcessInfo(
    ProcessKey Key, int Pid, IReadOnlyList<string> Argv, string Directory, string User, DateTimeOffset StartedAt, ProcessExit? Exit, string Tag, bool HasTerminal,
    IReadOnlyDictionary<string, string> Environment);
