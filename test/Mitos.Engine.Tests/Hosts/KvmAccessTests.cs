using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.Tests.Errors;
using Mitos.Linux.Files;

namespace Mitos.Engine.Tests.Hosts;

public sealed class KvmAccessTests
{
    private static readonly FileAccessBy Group = new(108);

    public static TheoryData<string, FileAccessBy, bool, string> Closed => new()
    {
        { "no device", FileAccessBy.None, true, "there is no /dev/kvm" },
        { "root's alone", FileAccessBy.RootAlone, true, "root's alone" },
    };

    [Theory]
    [MemberData(nameof(Closed))]
    public void A_kvm_that_vmms_cannot_have_is_refused_when_asked_for_and_passed_over_otherwise(string name, FileAccessBy device, bool virtualizes, string reason)
    {
        var kvm = new KvmAccess(device, virtualizes);
        Refusal.Check(ErrorCode.FailedPrecondition, reason, kvm.Require);
        foreach (var vmm in (string[])["firecracker", "qemu"])
            Refusal.Check(ErrorCode.FailedPrecondition, reason, () => VmmChoice.Make(new EngineOptions { Vmm = vmm, Accelerator = "kvm" }, kvm));
        var choice = VmmChoice.Make(new EngineOptions(), kvm);
        Assert.True(choice.Candidates is [{ Facts: { Name: "qemu", Accelerator: "tcg" } }], name);
        Assert.Contains(reason, choice.Reason, StringComparison.Ordinal);
        Assert.Contains(reason, choice.Candidates[0].Facts.AcceleratorReason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kvm_whose_processor_has_no_virtualization_is_passed_over_but_may_be_asked_for()
    {
        var kvm = new KvmAccess(Group, HasVirtualization: false);
        kvm.Require(); // the probe guest runs there
        var choice = VmmChoice.Make(new EngineOptions(), kvm);
        Assert.Equal("tcg", Assert.Single(choice.Candidates).Facts.Accelerator);
        Assert.Contains("neither vmx nor svm", choice.Reason, StringComparison.Ordinal);
        Assert.Equal("kvm", Assert.Single(VmmProbe.Qemu("kvm", kvm)).Facts.Accelerator);
    }

    [Fact]
    public void Where_kvm_may_run_guests_qemu_is_tried_with_it_and_then_without()
    {
        var choice = VmmChoice.Make(new EngineOptions { Firecracker = "/nowhere/firecracker" }, new KvmAccess(FileAccessBy.Everybody, HasVirtualization: true));
        Assert.Equal(["kvm", "tcg"], choice.Candidates.Select(candidate => candidate.Facts.Accelerator));
        Assert.Contains("/nowhere/firecracker", choice.Reason, StringComparison.Ordinal);
        Assert.Single(VmmChoice.Make(new EngineOptions { Accelerator = "tcg" }, new KvmAccess(FileAccessBy.Everybody, HasVirtualization: true)).Candidates);
    }

    [Fact]
    public void Firecracker_without_kvm_makes_no_sense() =>
        Refusal.Check(ErrorCode.InvalidArgument, "Firecracker runs on KVM alone", () => VmmChoice.Make(new EngineOptions { Vmm = "firecracker", Accelerator = "tcg" }));

    [Fact]
    public void A_vmm_that_does_not_exist_is_refused() => Refusal.Check(ErrorCode.InvalidArgument, "'bochs'", () => VmmChoice.Make(new EngineOptions { Vmm = "bochs" }));
}
