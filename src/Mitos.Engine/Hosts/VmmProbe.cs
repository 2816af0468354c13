using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Templates;
using Mitos.Engine.Vmm;
using Mitos.Engine.Vmm.Firecracker;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux.Files;

namespace Mitos.Engine.Hosts;

/// <summary>Finds the VMM and the accelerator of this host.</summary>
internal static class VmmProbe
{
    private const string Qemu = "/usr/bin/qemu-system-x86_64";

    /// <summary>The command that installs what the engine runs.</summary>
    public const string InstallCommand = "apt-get install -y qemu-system-x86 qemu-utils mmdebstrap e2fsprogs zstd";

    private const string ShareKvm = "groupadd -f kvm; chgrp kvm /dev/kvm; chmod 660 /dev/kvm";

    /// <param name="accelerator"><c>auto</c>, <c>kvm</c> or <c>tcg</c>.</param>
    /// <exception cref="SandboxException">FailedPrecondition: QEMU is missing; InvalidArgument.</exception>
    public static VmmFacts Find(string accelerator)
    {
        if (!File.Exists(Qemu))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"QEMU is missing: there is no {Qemu}.", InstallCommand);
        var version = HostTool.RunAsync(Qemu, ["--version"], null, CancellationToken.None).GetAwaiter().GetResult().Split('\n')[0];
        version = version.Split(' ').SkipWhile(word => word != "version").Skip(1).FirstOrDefault() ?? version;
        var (name, reason) = Choose(accelerator);
        return new VmmFacts("qemu", version, Qemu, name, reason) { DeviceModel = QemuCommandLine.DeviceModel(name) };
    }

    /// <summary>A driver of a Firecracker binary.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: no such binary, not one of Firecracker, or a version that is not driven.</exception>
    public static FirecrackerDriver Firecracker(string path, LayerStore layers)
    {
        if (!File.Exists(path))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Firecracker is missing: there is no {path}.", $"Place the official release {FirecrackerVersion.Pinned} there.");
        var words = HostTool.RunAsync(path, ["--version"], null, CancellationToken.None).GetAwaiter().GetResult().Split('\n')[0];
        if (!words.StartsWith("Firecracker", StringComparison.Ordinal) || !FirecrackerVersion.TryParse(words, out var version))
            throw new SandboxException(ErrorCode.FailedPrecondition, $"{path} says it is '{words}', not Firecracker.", $"Place the official release {FirecrackerVersion.Pinned} there.");
        if (version.WhyNot(0) is { } reason)
            throw new SandboxException(ErrorCode.FailedPrecondition, reason + ".", $"Place the official release {FirecrackerVersion.Pinned} at {path}.");
        return new FirecrackerDriver(new VmmFacts("firecracker", version.ToString(), path, "kvm", "Firecracker has no other"), version, layers);
    }

    private static (string Name, string Reason) Choose(string accelerator) => accelerator switch
    {
        "kvm" when !FileOwner.IsKvmShared() => throw new SandboxException(ErrorCode.FailedPrecondition,
            File.Exists("/dev/kvm") ? "/dev/kvm is root's alone, and VMMs run as users of their own." : "KVM was asked for, but there is no /dev/kvm.", ShareKvm),
        "kvm" => ("kvm", "asked for"),
        "tcg" => ("tcg", "asked for"),
        "auto" when !File.Exists("/dev/kvm") => ("tcg", "there is no /dev/kvm"),
        "auto" when !HostCpu.HasVirtualization() => ("tcg", "/dev/kvm is there, but the processor shows neither vmx nor svm: a stock guest would crawl in emulation"),
        "auto" when !FileOwner.IsKvmShared() => ("tcg", $"/dev/kvm is root's alone, and VMMs run as users of their own; `{ShareKvm}` mends it"),
        "auto" => ("kvm", "/dev/kvm is there and the processor has vmx or svm"),
        _ => throw SandboxException.Invalid($"There is no accelerator '{accelerator}'.", "Use auto, kvm or tcg."),
    };
}
