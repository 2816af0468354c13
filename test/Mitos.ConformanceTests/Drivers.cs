using Mitos.Engine.Disks;
using Mitos.Engine.Hosts;
using Mitos.Engine.Vmm;
using Mitos.Engine.Vmm.Qemu;

namespace Mitos.ConformanceTests;

/// <summary>
/// The drivers under test: QEMU with TCG always, with KVM when <c>MITOS_TEST_KVM=1</c>, Firecracker when <c>MITOS_FIRECRACKER</c>
/// names its binary. Which ones were not run is said by <see cref="DriverTests.What_is_not_run_here_is_said"/>.
/// </summary>
internal static class Drivers
{
    public static IReadOnlyList<string> Enabled { get; } =
        new[] { "qemu-tcg", Environment.GetEnvironmentVariable("MITOS_TEST_KVM") == "1" ? "qemu-kvm" : "", Firecracker is not null ? "firecracker" : "" }.Where(name => name.Length > 0).ToList();

    public static IReadOnlyList<string> Missing { get; } = new[] { "qemu-tcg", "qemu-kvm", "firecracker" }.Except(Enabled).ToList();

    private static string? Firecracker => Environment.GetEnvironmentVariable("MITOS_FIRECRACKER");

    public static Func<LayerStore, IVmmDriver> Maker(string name) => name switch
    {
        "qemu-tcg" => layers => new QemuDriver(VmmProbe.Find("tcg"), layers),
        "qemu-kvm" => layers => new QemuDriver(VmmProbe.Find("kvm"), layers),
        _ => layers => VmmProbe.Firecracker(Firecracker!, layers),
    };
}
