namespace Mitos.Contracts;

/// <summary>A process that was started in a sandbox through this API, and is still known there.</summary>
/// <param name="Id">Names it for good: 32 hexadecimal digits. Children of a fork have the same processes under the same ids.</param>
/// <param name="Pid">Its number in the guest.</param>
/// <param name="Argv">Command and arguments.</param>
/// <param name="Cwd">The directory that it was started in.</param>
/// <param name="User">Whose it is.</param>
/// <param name="StartedAt">By the guest's clock.</param>
/// <param name="ExitCode">128 + signal when a signal ended it; missing while it runs.</param>
/// <param name="Signal">The signal that ended it, 0 for none; missing while it runs.</param>
public sealed record ProcessBody(string Id, int Pid, List<string> Argv, string Cwd, string User, DateTimeOffset StartedAt, int? ExitCode = null, int? Signal = null);

/// <summary>Asks for a signal.</summary>
public sealed record SignalRequest
{
    /// <summary>1 to 64. Default 15, SIGTERM.</summary>
    public int? Signal { get; init; }

    /// <summary>Whether the whole process group gets it. Default true.</summary>
    public bool? Group { get; init; }
}
