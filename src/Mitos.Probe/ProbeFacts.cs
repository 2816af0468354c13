namespace Mitos.Probe;

/// <summary>What a probe says of itself and its machine.</summary>
public sealed record ProbeFacts
{
    /// <summary>Bytes at the beginning of memory that belong to the VMM; the probe neither reads nor writes them.</summary>
    public const ulong FirstUsable = 1 << 20;

    /// <summary>Drawn at boot: the same in a machine and all its descendants.</summary>
    public required ulong BootId { get; init; }

    /// <summary>As last set by <see cref="ProbeClient.SetGenerationAsync"/>; 0 after boot.</summary>
    public required ulong Generation { get; init; }

    /// <summary>Requests answered since boot, before this one. A child goes on where its source was.</summary>
    public required ulong Requests { get; init; }

    /// <summary>Times that a host came to a channel.</summary>
    public required ulong Connects { get; init; }

    /// <summary>Times that the vsock device told of a reset of its transport: under Firecracker, one per snapshot.</summary>
    public required ulong TransportResets { get; init; }

    public required ProbeBoot Boot { get; init; }

    /// <summary>The context id of its vsock device; 0 without one.</summary>
    public required ulong VsockContextId { get; init; }

    /// <summary>Memory in all, in bytes, the first MiB counted; up to address 16 GiB.</summary>
    public required ulong MemoryBytes { get; init; }

    /// <summary>The probe itself: it may be read but not written.</summary>
    public required ProbeRange Image { get; init; }

    /// <summary>Guest-physical memory in address order, without the first MiB.</summary>
    public required IReadOnlyList<ProbeRange> Memory { get; init; }

    public required IReadOnlyList<ProbeDisk> Disks { get; init; }

    /// <summary>Where a guest-physical address lies in the memory file, which leaves out the holes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no memory at that address.</exception>
    public long FileOffset(ulong address)
    {
        var before = FirstUsable;
        foreach (var range in Memory)
        {
            if (address >= range.Start && address < range.End)
                return (long)(before + (address - range.Start));
            before += range.Length;
        }
        throw new ArgumentOutOfRangeException(nameof(address), address, $"The machine has no memory at {address:x}.");
    }
}

/// <summary>A part of guest-physical memory.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct ProbeRange(ulong Start, ulong Length)
{
    public ulong End => Start + Length;
}

/// <summary>A disk as the device tells now.</summary>
/// <param name="Sectors">Of 512 bytes.</param>
/// <param name="IsReadOnly">Whether writes are refused.</param>
public readonly record struct ProbeDisk(ulong Sectors, bool IsReadOnly);

/// <summary>How the probe was entered.</summary>
public enum ProbeBoot
{
    /// <summary>At the 32-bit entry of the PVH note: QEMU, Firecracker from 1.12 on.</summary>
    Pvh = 0,
    /// <summary>At the ELF entry, by Linux's 64-bit boot protocol: older Firecracker.</summary>
    Linux64 = 1,
}

/// <summary>The state of the invariant (<see cref="ProbeClient.StartInvariantAsync"/>).</summary>
/// <param name="IsRunning">Whether the counters are being written.</param>
/// <param name="FirstPage">Guest-physical address of the counter that is written first.</param>
/// <param name="SecondPage">Of the other.</param>
/// <param name="Iterations">What both counters are when the probe answers.</param>
/// <param name="Violations">Times that memory and processor did not agree. 0 in a machine that is of one instant.</param>
/// <param name="LastFirst">The first counter at the last violation.</param>
/// <param name="LastSecond">The second counter then.</param>
/// <param name="LastExpected">What both should have been.</param>
public sealed record InvariantReport(
    bool IsRunning, ulong FirstPage, ulong SecondPage, ulong Iterations, ulong Violations, ulong LastFirst, ulong LastSecond, ulong LastExpected);

/// <summary>The machine's clocks.</summary>
/// <param name="TimestampCounter">The processor's cycle counter (TSC).</param>
/// <param name="KvmClockNs">Nanoseconds of KVM's paravirtual clock; null where there is none.</param>
/// <param name="Ticks">Timer interrupts since boot, about one per millisecond in which the probe was idle or kept its invariant.</param>
public sealed record ProbeClocks(ulong TimestampCounter, ulong? KvmClockNs, ulong Ticks);
