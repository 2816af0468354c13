using Mitos.Engine.Hosts;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests;

/// <summary>
/// The drivers under test: QEMU with TCG always, with KVM when <c>MITOS_TEST_KVM=1</c>, Firecracker when <c>MITOS_FIRECRACKER</c>
/// names its binary. Always, too, the Firecracker driver against the fake, which holds its requests against Firecracker's specification;
/// and against one whose states cannot be saved alone. What was not run is said by <see cref="DriverTests.What_is_not_run_here_is_said"/>.
/// </summary>
internal sealed class Drivers : IDisposable
{
    private readonly FakeInstallation _fake = new(), _otherOrder = new(new FakePlan { OpensMemoryFirst = true });

    public static IReadOnlyList<string> Enabled { get; } =
        new[] { "qemu-tcg", "firecracker-fake", "firecracker-fake-diff", Environment.GetEnvironmentVariable("MITOS_TEST_KVM") == "1" ? "qemu-kvm" : "", Firecracker is not null ? "firecracker" : "" }.Where(name => name.Length > 0).ToList();

    public static IReadOnlyList<string> Missing { get; } = new[] { "qemu-kvm", "firecracker" }.Except(Enabled).ToList();

    private static string? Firecracker => Environment.GetEnvironmentVariable("MITOS_FIRECRACKER");

    public VmmCandidate Find(string name) => name switch
    {
        "qemu-tcg" => VmmProbe.Qemu("tcg", KvmAccess.Read())[0],
        "qemu-kvm" => VmmProbe.Qemu("kvm", KvmAccess.Read())[0],
        "firecracker-fake" => VmmProbe.Firecracker(_fake.Binary)[0],
        "firecracker-fake-diff" => VmmProbe.Firecracker(_otherOrder.Binary)[1],
        _ => VmmProbe.Firecracker(Firecracker!)[0],
    };

    /// <summary>What the fakes were asked and refused, though no test made them refuse it.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _fake.ReadLog(), .. _otherOrder.ReadLog()];

    public IReadOnlyList<string> Files => [.. _fake.Files, .. _otherOrder.Files];

    public void Dispose()
    {
        _fake.Dispose();
        _otherOrder.Dispose();
    }
}
