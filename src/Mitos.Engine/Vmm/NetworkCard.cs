using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Errors;
using Mitos.Linux;
using Mitos.Linux.Networks;

namespace Mitos.Engine.Vmm;

/// <summary>
/// A machine's network card. Whether there is one is a property of what was booted: Firecracker's shells of a generation have one if, and only
/// if, the generation has. The address is the boot's, too: a state brings it along.
/// </summary>
/// <param name="Network">The network namespace that the tap is in.</param>
/// <param name="Tap">A tap there, made for the machine's user (<see cref="TapDevice.Create"/>), that no other machine uses; whoever made it removes it.</param>
/// <param name="MacAddress">For example <c>02:00:00:00:00:01</c>.</param>
public sealed record NetworkCard(SafeFileHandle Network, string Tap, string MacAddress)
{
    /// <summary>Opens the tap for a machine.</summary>
    /// <exception cref="VmmException">It is missing, or busy.</exception>
    internal SafeFileHandle Attach(VmmSpec spec)
    {
        try
        {
            return TapDevice.Attach(Network, Tap);
        }
        catch (LinuxException e)
        {
            throw new VmmException(WhyNot(spec, e.Errno) ?? $"The tap '{Tap}' of machine {spec.Id} cannot be used: {e.Message}", e);
        }
    }

    /// <summary>What an error of the tap means, and what to do; null: that is not known.</summary>
    internal string? WhyNot(VmmSpec spec, int errno) => errno switch
    {
        Errno.ENODEV => $"The tap '{Tap}' of machine {spec.Id} is missing in its network namespace: make it before the machine is started, for user {spec.UserId}.",
        Errno.EBUSY => $"The tap '{Tap}' of machine {spec.Id} is busy, another process has it open: end that one, or give each machine a tap of its own.",
        Errno.EPERM => $"The tap '{Tap}' of machine {spec.Id} is not its user's, or is gone: make it for user {spec.UserId}.",
        _ => null,
    };

    /// <summary>The same of Firecracker's words, which end with the error's number.</summary>
    internal VmmException? Explain(VmmSpec spec, VmmException refusal) =>
        Array.Find([Errno.ENODEV, Errno.EBUSY, Errno.EPERM], errno => refusal.Message.Contains($"(os error {errno})", StringComparison.Ordinal) && refusal.Message.Contains(Tap, StringComparison.Ordinal)) is var found and not 0
            ? new VmmException($"{WhyNot(spec, found)} {refusal.Message}", refusal) : null;
}
