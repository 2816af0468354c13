using Mitos.Engine.Errors;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux.Files;

namespace Mitos.Engine.Hosts;

/// <summary>Whether a host's KVM can be used.</summary>
/// <param name="Device">Who may use /dev/kvm.</param>
/// <param name="HasVirtualization">Whether the processor shows vmx or svm.</param>
internal sealed record KvmAccess(FileAccessBy Device, bool HasVirtualization)
{
    private const string Path = "/dev/kvm";
    private const string Share = "groupadd -f kvm; chgrp kvm /dev/kvm; chmod 660 /dev/kvm.";

    /// <summary>Of this host, now.</summary>
    public static KvmAccess Read() => new(FileOwner.ReadAccess(Path), HostCpu.HasVirtualization());

    /// <summary>The groups that a VMM needs for it.</summary>
    public static IReadOnlyList<int> Groups => FileOwner.ReadAccess(Path).Groups;

    /// <summary>Why VMMs cannot have it, with the remedy; null when they can.</summary>
    public (string Reason, string Remedy)? WhyClosed =>
        Device == FileAccessBy.None ? ("there is no /dev/kvm", "Load the module kvm_intel or kvm_amd; in a virtual machine, enable nested virtualisation.")
        : !Device.IsShared ? ("/dev/kvm is root's alone, and VMMs run as users of their own", Share)
        : null;

    /// <summary>Why it cannot run a stock Linux guest; null when it can, as far as can be told without one: the self-test tells the rest.</summary>
    public (string Reason, string Remedy)? WhyNoLinux => Device != FileAccessBy.None && !HasVirtualization
        ? ("/dev/kvm is there, but the processor shows neither vmx nor svm: a stock guest would crawl in emulation", "Use a host whose KVM runs guests.")
        : WhyClosed;

    /// <exception cref="SandboxException">FailedPrecondition: VMMs cannot have it.</exception>
    public void Require()
    {
        if (WhyClosed is var (reason, remedy))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"KVM was asked for, but {reason}.", $"{remedy} Or ask for another: --accel, MITOS_ACCEL.");
    }
}
