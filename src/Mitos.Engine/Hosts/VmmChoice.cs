using Mitos.Engine.Errors;

namespace Mitos.Engine.Hosts;

/// <summary>
/// Which VMMs an engine may use, the best first: Firecracker where its binary is and KVM runs guests, then QEMU with KVM, then
/// QEMU with TCG. The first that passes the self-test is used.
/// </summary>
/// <param name="Candidates">At least one.</param>
/// <param name="Reason">Why the first of them.</param>
internal sealed record VmmChoice(IReadOnlyList<VmmCandidate> Candidates, string Reason)
{
    /// <exception cref="SandboxException">FailedPrecondition: what was asked for is not to be had. InvalidArgument.</exception>
    public static VmmChoice Make(EngineOptions options) => Make(options, KvmAccess.Read());

    /// <inheritdoc cref="Make(EngineOptions)"/>
    public static VmmChoice Make(EngineOptions options, KvmAccess kvm)
    {
        switch (options.Vmm)
        {
            case "qemu":
                return new VmmChoice(VmmProbe.Qemu(options.Accelerator, kvm), "asked for");
            case "firecracker":
                if (options.Accelerator == "tcg")
                    throw SandboxException.Invalid("Firecracker runs on KVM alone, and the accelerator tcg was asked for.", "Leave --accel out, or use --vmm qemu.");
                kvm.Require();
                return new VmmChoice(VmmProbe.Firecracker(options.Firecracker), "asked for");
            case "auto":
                var skipped = WhyNoFirecracker(options, kvm, out var candidates);
                return skipped is null
                    ? new VmmChoice([.. candidates, .. QemuIfThere(options, kvm)], "its binary is there and KVM runs guests")
                    : new VmmChoice(VmmProbe.Qemu(options.Accelerator, kvm), $"no Firecracker: {skipped}");
            default:
                throw SandboxException.Invalid($"There is no VMM '{options.Vmm}'.", "Use auto, firecracker or qemu.");
        }
    }

    // A host may have Firecracker alone.
    private static IReadOnlyList<VmmCandidate> QemuIfThere(EngineOptions options, KvmAccess kvm)
    {
        try
        {
            return VmmProbe.Qemu(options.Accelerator, kvm);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.FailedPrecondition)
        {
            return [];
        }
    }

    private static string? WhyNoFirecracker(EngineOptions options, KvmAccess kvm, out IReadOnlyList<VmmCandidate> candidates)
    {
        candidates = [];
        if (options.Accelerator == "tcg")
            return "it has no TCG";
        if (kvm.WhyNoLinux is var (reason, _))
            return reason;
        try
        {
            candidates = VmmProbe.Firecracker(options.Firecracker);
            return null;
        }
        catch (SandboxException e)
        {
            return e.Message.TrimEnd('.');
        }
    }
}
