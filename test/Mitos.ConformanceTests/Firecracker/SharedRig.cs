using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>One rig for all tests of a class, each of which leaves it as it was.</summary>
public sealed class SharedRig : IAsyncLifetime
{
    internal FakeRig Rig { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Rig = await FakeRig.StartAsync(new FakePlan());

    public ValueTask DisposeAsync() => Rig.DisposeAsync();
}
