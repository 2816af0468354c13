namespace Mitos.Contracts;

/// <summary>What a fork made.</summary>
public sealed record ForkBody
{
    /// <summary>Names the fork.</summary>
    public required string ForkId { get; init; }

    /// <summary>The sandbox that was forked.</summary>
    public required string Source { get; init; }

    /// <summary>As many as were asked for, by index.</summary>
    public required List<ForkChildBody> Children { get; init; }

    /// <summary>Where its time went.</summary>
    public required ForkTimingsBody Timings { get; init; }
}

/// <summary>One child: a sandbox or an error.</summary>
public sealed record ForkChildBody
{
    /// <summary>From 0.</summary>
    public required int Index { get; init; }

    /// <summary>Missing when it could not be made.</summary>
    public SandboxBody? Sandbox { get; init; }

    /// <summary>Why it could not be made.</summary>
    public ErrorBody? Error { get; init; }

    /// <summary>From the call to the end of its handshake, or to its failure.</summary>
    public required long ReadyUs { get; init; }

    /// <summary>Where the time of its birth went; missing when it could not be made.</summary>
    public BirthTimingsBody? Timings { get; init; }
}

/// <summary>Where the time of one machine went, from its shell to its handshake.</summary>
/// <param name="Warm">Whether its shell had been started ahead.</param>
/// <param name="ShellUs">Waiting for the shell.</param>
/// <param name="DiskUs">Its disk's layers.</param>
/// <param name="MemoryUs">Writing the delta.</param>
/// <param name="DeviceStateUs">Loading the device state, and starting its processors.</param>
/// <param name="GreetingUs">Until its agent answered.</param>
/// <param name="HandshakeUs">Making the machine itself.</param>
public sealed record BirthTimingsBody(bool Warm, long ShellUs, long DiskUs, long MemoryUs, long DeviceStateUs, long GreetingUs, long HandshakeUs);

/// <summary>Where a fork's time went.</summary>
/// <param name="PauseUs">The source stood still: the sum of the six after it.</param>
/// <param name="StopUs">Stopping its processors.</param>
/// <param name="FreezeDiskUs">Switching its disk's layer.</param>
/// <param name="DeviceStateUs">Saving its device state.</param>
/// <param name="ListUs">Listing the pages in which it differs from its generation.</param>
/// <param name="CopyUs">Copying them.</param>
/// <param name="ResumeUs">Going on.</param>
/// <param name="PrepareUs">Before the pause: queueing behind other forks, reservations, buffers.</param>
/// <param name="TotalUs">The whole call, to the last child.</param>
/// <param name="DeltaBytes">What was copied.</param>
/// <param name="WarmShells">Children whose shell had been started ahead.</param>
public sealed record ForkTimingsBody(
    long PauseUs, long StopUs, long FreezeDiskUs, long DeviceStateUs, long ListUs, long CopyUs, long ResumeUs, long PrepareUs, long TotalUs, long DeltaBytes, int WarmShells);
