using Mitos.Engine.Errors;
using Mitos.Engine.SelfTest;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>A state that this binary cannot load, should one get past the fingerprint of its generation.</summary>
public sealed class StateTests
{
    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task A_state_of_another_release_is_refused_with_its_words_and_the_source_goes_on()
    {
        var foreign = await StateOfAsync("1.13.1");
        await using var rig = await FakeRig.StartAsync(new FakePlan());
        await using var source = await rig.Rig.StartMachineAsync(FakeRig.Token);
        using var capture = await rig.Rig.CaptureAsync(source);
        await source.ReconnectAsync(FakeRig.Token);
        var before = Holdings.Of(rig.Options);
        using (var mixed = capture.Capture.WithState(foreign))
        {
            var error = await Assert.ThrowsAsync<VmmException>(() => rig.Rig.BirthAsync(new ProbeCapture(mixed, default), FakeRig.Token));
            Assert.Contains("version", error.Message, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("PUT /snapshot/load", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(before, Holdings.Of(rig.Options));
        await source.Probe.PingAsync([1], FakeRig.Token);
        await (await rig.Rig.BirthAsync(capture, FakeRig.Token)).DisposeAsync();
    }

    private static async Task<byte[]> StateOfAsync(string version)
    {
        await using var rig = await FakeRig.StartAsync(new FakePlan { Version = version });
        await using var machine = await rig.Rig.StartMachineAsync(FakeRig.Token);
        using var capture = await rig.Rig.CaptureAsync(machine);
        return capture.Capture.DeviceState;
    }
}
