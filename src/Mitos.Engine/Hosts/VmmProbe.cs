using Mitos.Engine.Errors;
using Mitos.Engine.Templates;
using Mitos.Engine.Vmm;
using Mitos.Engine.Vmm.Qemu;

namespace Mitos.Engine.Hosts;

/// <summary>Finds the VMM and the accelerator of this host.</summary>
internal static class VmmProbe
{
    private const string Qemu = "/usr/bin/qemu-system-x86_64";

    /// <summary>The command that installs what the engine runs.</summary>
    public const string InstallCommand = "apt-get install -y qemu-system-x86 qemu-utils mmdebstrap e2fsprogs zstd";

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

    private static (string Name, string Reason) Choose(string accelerator) => accelerator switch
    {
        "kvm" => ("kvm", "asked for"),
        "tcg" => ("tcg", "asked for"),
        "auto" when !File.Exists("/dev/kvm") => ("tcg", "there is no /dev/kvm"),
        "auto" when !HostCpu.HasVirtualization() => ("tcg", "/dev/kvm is there, but the processor shows neither vmx nor svm: a stock guest would crawl in emulation"),
        "auto" => ("kvm", "/dev/kvm is there and the processor has vmx or svm"),
        _ => throw SandboxException.Invalid($"There is no accelerator '{accelerator}'.", "Use auto, kvm or tcg."),
    };
}
