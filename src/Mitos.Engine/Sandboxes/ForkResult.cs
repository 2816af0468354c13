using Mitos.Engine.Errors;

namespace Mitos.Engine.Sandboxes;

/// <summary>What a fork made: for each child a sandbox or an error.</summary>
public sealed record ForkResult
{
    public required string ForkId { get; init; }
    public required SandboxId Source { get; init; }
    public required IReadOnlyList<ForkChild> Children { get; init; }
    public required ForkTimings Timings { get; init; }
}

/// <summary>One child of a fork. Exactly one of <see cref="Sandbox"/> and <see cref="Error"/> is set.</summary>
public sealed record ForkChild
{
    public required int Index { get; init; }
    public SandboxInfo? Sandbox { get; init; }
    public SandboxException? Error { get; init; }
    /// <summary>From the fork call to the handshake's end of this child.</summary>
    public TimeSpan Ready { get; init; }
    /// <summary>Where that time went; null for a child that failed.</summary>
    public BirthTimings? Timings { get; init; }
}

/// <summary>Where the time of one machine went, from its shell to its handshake.</summary>
/// <param name="Warm">Whether its shell had been started ahead.</param>
/// <param name="Shell">Waiting for the shell.</param>
/// <param name="Disk">Its disk's layers.</param>
/// <param name="Memory">Writing the delta.</param>
/// <param name="DeviceState">Loading the device state, and starting its processors.</param>
/// <param name="Greeting">Until its agent answered.</param>
/// <param name="Handshake">Making the machine itself.</param>
public sealed record BirthTimings(bool Warm, TimeSpan Shell, TimeSpan Disk, TimeSpan Memory, TimeSpan DeviceState, TimeSpan Greeting, TimeSpan Handshake);

/// <summary>Where the time of one fork went.</summary>
public sealed record ForkTimings
{
    /// <summary>The source stood still for this long: from before the pause call to after the resume call.</summary>
    public required TimeSpan Pause { get; init; }
    public required TimeSpan Stop { get; init; }
    public required TimeSpan FreezeDisk { get; init; }
    public required TimeSpan DeviceState { get; init; }
    public required TimeSpan List { get; init; }
    public required TimeSpan Copy { get; init; }
    public required TimeSpan Resume { get; init; }
    /// <summary>Bytes in which the source differed from its generation.</summary>
    public required long DeltaBytes { get; init; }
    /// <summary>Before the pause: queueing behind other forks, reservations, shells, buffers.</summary>
    public required TimeSpan Prepare { get; init; }
    /// <summary>The whole call, to the last child.</summary>
    public required TimeSpan Total { get; init; }
    /// <summary>Shells that were started ahead of this fork.</summary>
    public required int WarmShells { get; init; }
}
