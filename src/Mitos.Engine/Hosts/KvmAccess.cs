using Mitos.Engine.Errors;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux.Files;

namespace Mitos.Engine.Hosts;

/// <summary>Whether this host's KVM can be used.</summary>
internal static class KvmAccess
{
    private const string Share = "groupadd -f kvm; chgrp kvm /dev/kvm; chmod 660 /dev/kvm.";

    /// <summary>Why VMMs cannot have it, with the remedy; null when they can.</summary>
    public static (string Reason, string Remedy)? WhyClosed() =>
        !File.Exists("/dev/kvm") ? ("there is no /dev/kvm", "Load the module kvm_intel or kvm_amd; in a virtual machine, enable nested virtualisation.")
        : !FileOwner.IsKvmShared() ? ("/dev/kvm is root's alone, and VMMs run as users of their own", Share)
        : null;

    /// <summary>Why it cannot run a stock Linux guest; null when it can.</summary>
    public static (string Reason, string Remedy)? WhyNoLinux() => File.Exists("/dev/kvm") && !HostCpu.HasVirtualization()
        ? ("/dev/kvm is there, but the processor shows neither vmx nor svm: a stock guest would crawl in emulation", "Use a host whose KVM runs guests.")
        : WhyClosed();

    /// <exception cref="SandboxException">FailedPrecondition: VMMs cannot have it.</exception>
    public static void Require()
    {
        if (WhyClosed() is var (reason, remedy))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"KVM was asked for, but {reason}.", $"{remedy} Or ask for another: --accel, MITOS_ACCEL.");
    }
}
