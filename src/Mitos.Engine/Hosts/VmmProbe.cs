using Mitos.Engine.Errors;
using Mitos.Engine.Templates;
using Mitos.Engine.Vmm;
using Mitos.Engine.Vmm.Firecracker;
using Mitos.Engine.Vmm.Qemu;

namespace Mitos.Engine.Hosts;

/// <summary>Finds out what a VMM on this host is.</summary>
internal static class VmmProbe
{
    private const string QemuPath = "/usr/bin/qemu-system-x86_64";

    /// <summary>The command that installs what the engine runs.</summary>
    public const string InstallCommand = "apt-get install -y qemu-system-x86 mmdebstrap e2fsprogs zstd";

    /// <summary>QEMU, by each accelerator that it may have, the best first.</summary>
    /// <param name="accelerator"><c>auto</c>, <c>kvm</c> or <c>tcg</c>.</param>
    /// <param name="kvm">The host's.</param>
    /// <exception cref="SandboxException">FailedPrecondition: QEMU or KVM is missing; InvalidArgument.</exception>
    public static IReadOnlyList<VmmCandidate> Qemu(string accelerator, KvmAccess kvm)
    {
        if (!File.Exists(QemuPath))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"QEMU is missing: there is no {QemuPath}.", InstallCommand);
        var version = Version(QemuPath);
        version = version.Split(' ').SkipWhile(word => word != "version").Skip(1).FirstOrDefault() ?? version;
        return Accelerators(accelerator, kvm).Select(one =>
        {
            var facts = new VmmFacts("qemu", version, QemuPath, one.Name, one.Reason) { DeviceModel = QemuCommandLine.DeviceModel(one.Name), HostKey = one.Name == "kvm" ? HostKey() : "" };
            return new VmmCandidate(facts, SharesBlocks: false, layers => new QemuDriver(facts, layers));
        }).ToList();
    }

    /// <summary>Firecracker, by each method of saving that it may have; the self-test says which one works. Whether KVM runs guests is not looked at.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: no such binary, not one of Firecracker, not of this processor, or a version that is not driven.</exception>
    public static IReadOnlyList<VmmCandidate> Firecracker(string path)
    {
        var place = $"`mitos vmm install firecracker`, or place the official release {FirecrackerVersion.Pinned} at {path}.";
        if (!File.Exists(path))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Firecracker is missing: there is no {path}.", place);
        string words;
        try
        {
            words = Version(path);
        }
        catch (SandboxException e)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"{path} cannot be run as Firecracker; is it of this processor ({System.Runtime.InteropServices.RuntimeInformation.OSArchitecture})? {e.Message}", place, e);
        }
        if (!words.StartsWith("Firecracker", StringComparison.Ordinal) || !FirecrackerVersion.TryParse(words, out var version))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"{path} says it is '{words}', not Firecracker.", place);
        if (version.WhyNot(0) is { } reason)
            throw new SandboxException(ErrorCode.FailedPrecondition, reason + ".", place);
        var facts = new VmmFacts("firecracker", version.ToString(), path, "kvm", "Firecracker has no other") { DeviceModel = FirecrackerRequests.DeviceModel, HostKey = HostKey(), Agent = AgentTransport.Vsock, HasBuildNetwork = false };
        return [.. Enum.GetValues<FirecrackerSave>().Select(save => new VmmCandidate(facts with { Method = save.ToString() }, SharesBlocks: true, layers => new FirecrackerDriver(facts, version, save, layers)))];
    }

    private static string Version(string path) => HostTool.RunAsync(path, ["--version"], null, CancellationToken.None).GetAwaiter().GetResult().Split('\n')[0];

    // What a state that was saved by hardware virtualisation depends on. New microcode may take features away.
    private static string HostKey() => $"{HostCpu.Model()} ({HostCpu.Microcode()}), Linux {File.ReadAllText("/proc/sys/kernel/osrelease").Trim()}";

    private static (string Name, string Reason)[] Accelerators(string accelerator, KvmAccess kvm)
    {
        switch (accelerator)
        {
            case "kvm":
                kvm.Require();
                return [("kvm", "asked for")];
            case "tcg":
                return [("tcg", "asked for")];
            case "auto":
                return kvm.WhyNoLinux is var (reason, _) ? [("tcg", reason)] : [("kvm", "/dev/kvm is there and the processor has vmx or svm"), ("tcg", "KVM does not fork safely here")];
            default:
                throw SandboxException.Invalid($"There is no accelerator '{accelerator}'.", "Use auto, kvm or tcg.");
        }
    }
}
