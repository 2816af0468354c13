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
    public static VmmChoice Make(EngineOptions options)
    {
        switch (options.Vmm)
        {
            case "qemu":
                return new VmmChoice([VmmProbe.Qemu(options.Accelerator)], "asked for");
            case "firecracker":
                if (options.Accelerator == "tcg")
                    throw SandboxException.Invalid("Firecracker runs on KVM alone, and the accelerator tcg was asked for.", "Leave --accel out, or use --vmm qemu.");
                KvmAccess.Require();
                return new VmmChoice(VmmProbe.Firecracker(options.Firecracker), "asked for");
            case "auto":
                var skipped = WhyNoFirecracker(options, out var candidates);
                return new VmmChoice([.. candidates, VmmProbe.Qemu(options.Accelerator)], skipped is null ? "its binary is there and KVM runs guests" : $"no Firecracker: {skipped}");
            default:
                throw SandboxException.Invalid($"There is no VMM '{options.Vmm}'.", "Use auto, firecracker or qemu.");
        }
    }

    private static string? WhyNoFirecracker(EngineOptions options, out IReadOnlyList<VmmCandidate> candidates)
    {
        candidates = [];
        if (options.Accelerator == "tcg")
            return "it has no TCG";
        if (KvmAccess.WhyNoLinux() is var (reason, _))
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
