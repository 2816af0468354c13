using Mitos.Engine.Errors;
using Mitos.Engine.SelfTest;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>A fault at each call of a capture. The source goes on with all that it had, unless its process is gone, and nothing is left behind.</summary>
public sealed class CaptureFaultTests(SharedRig shared) : IClassFixture<SharedRig>
{
    private const ulong Length = 1 << 20;
    private const string LastWords = "thread 'fc_vcpu 0' panicked", Refusal = "not today";

    // The first PATCH of a process was that of its birth.
    private static readonly FakeRule Pause = new() { On = "PATCH /vm", From = 2, Times = 1, Do = FakeAct.Refuse, Text = Refusal },
        Save = Pause with { On = "PUT /snapshot/create", From = 1 },
        Resume = Pause with { From = 3 };

    private static readonly Dictionary<string, Fault> Faults = new()
    {
        ["pause refused"] = new(Pause, After.GoesOn, Refusal),
        ["pause refused without a reason"] = new(Pause with { Text = "" }, After.GoesOn, "PATCH /vm"),
        ["pause late"] = new(Pause with { Do = FakeAct.Stall, Ms = 300 }, After.Captured),
        ["pause not answered"] = new(Pause with { Do = FakeAct.Cut }, After.GoesOn, "closed the connection"),
        ["pause done, not answered"] = new(Pause with { Do = FakeAct.Cut, CarryOut = true }, After.GoesOn, "closed the connection"),
        ["pause done, half answered"] = new(Pause with { Do = FakeAct.Cut, CarryOut = true, Bytes = 20 }, After.GoesOn, "closed the connection"),
        ["pause a lie"] = new(Pause with { Do = FakeAct.Lie, Text = "" }, After.GoesOn, "did not save its state"),
        ["pause answered with babble"] = new(Pause with { Do = FakeAct.Babble, Text = "SSH-2.0-OpenSSH\r\n\r\n" }, After.GoesOn, "no HTTP"),
        ["pause the end"] = new(Pause with { Do = FakeAct.Exit, Text = LastWords }, After.Ended, LastWords),
        ["save refused"] = new(Save, After.GoesOn, Refusal),
        ["save a lie: success"] = new(Save with { Do = FakeAct.Lie, Text = "" }, After.GoesOn, "did not save its state"),
        ["save a lie: no state"] = new(Save with { Text = "Cannot open the memory backing file" }, After.GoesOn, "device state of 0 bytes"),
        ["save late"] = new(Save with { Do = FakeAct.Stall, Ms = 300 }, After.Captured),
        ["save not answered"] = new(Save with { Do = FakeAct.Cut }, After.GoesOn, "closed the connection"),
        ["save done, not answered"] = new(Save with { Do = FakeAct.Cut, CarryOut = true }, After.GoesOn, "closed the connection"),
        ["save answered with babble"] = new(Save with { Do = FakeAct.Babble, Text = "HTTP/1.1 400 Bad\r\nContent-Length: many\r\n\r\n" }, After.GoesOn, "no length"),
        ["save answered at length"] = new(Save with { Do = FakeAct.Babble, Text = "HTTP/1.1 204 No\r\nContent-Length: 9000000000\r\n\r\n" }, After.GoesOn, "Content-Length: 9000000000"),
        ["save the end"] = new(Save with { Do = FakeAct.Exit, Text = LastWords }, After.Ended, LastWords),
        ["save the end, afterwards"] = new(Save with { Do = FakeAct.Exit, CarryOut = true, Text = LastWords }, After.Ended, LastWords),
        ["resume refused once"] = new(Resume, After.Captured),
        ["resume late"] = new(Resume with { Do = FakeAct.Stall, Ms = 300 }, After.Captured),
        ["resume not answered"] = new(Resume with { Do = FakeAct.Cut }, After.Captured),
        ["resume done, not answered"] = new(Resume with { Do = FakeAct.Cut, CarryOut = true }, After.Captured),
        ["resume answered with babble"] = new(Resume with { Do = FakeAct.Babble, Text = "\0\0\0\0\r\n\r\n" }, After.Captured),
        ["resume the end"] = new(Resume with { Do = FakeAct.Exit, Text = LastWords }, After.Ended, LastWords),
    };

    private enum After
    {
        /// <summary>The capture is there, and the source goes on.</summary>
        Captured,

        /// <summary>The capture failed, and the source goes on.</summary>
        GoesOn,

        /// <summary>The capture failed, and the source's process is gone.</summary>
        Ended,
    }

    public static TheoryData<string> Cases => [.. Faults.Keys];

    [Theory(Timeout = FakeRig.LimitMs)]
    [MemberData(nameof(Cases))]
    public async Task The_source_is_unharmed(string name)
    {
        var fault = Faults[name];
        var rig = shared.Rig;
        rig.Behave(); // a test that failed may have left its rule
        var before = Holdings.Of(rig.Options);
        await using (var source = await rig.Rig.StartMachineAsync(FakeRig.Token))
        {
            await source.Probe.FillAsync(SelfTests.At, Length, 7, FakeRig.Token);
            var sum = await source.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token);
            rig.Misbehave(fault.Rule with { Id = source.Machine.Spec.Id });
            if (fault.After == After.Captured)
            {
                (await rig.Rig.CaptureAsync(source)).Dispose();
            }
            else
            {
                var error = await Assert.ThrowsAsync<VmmException>(() => rig.Rig.CaptureAsync(source));
                Assert.Contains(source.Machine.Spec.Id, error.Message, StringComparison.Ordinal);
                Assert.Contains(fault.Words, error.Message, StringComparison.Ordinal);
            }
            rig.Behave();
            Assert.Equal(fault.After == After.Ended, source.Machine.Vmm.Process.HasExited);
            if (fault.After != After.Ended)
                await AssertForksAsync(rig.Rig, source, sum);
        }
        Assert.Equal(before, Holdings.Of(rig.Options));
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task A_call_that_is_never_answered_ends_in_time_and_leaves_nothing()
    {
        var rig = shared.Rig;
        var before = Holdings.Of(rig.Options);
        await using (var source = await rig.Rig.StartMachineAsync(FakeRig.Token))
        {
            rig.Misbehave(Save with { Do = FakeAct.Stall, Id = source.Machine.Spec.Id });
            var error = await Assert.ThrowsAsync<VmmException>(() => rig.Rig.CaptureAsync(source));
            Assert.Contains("took too long", error.Message, StringComparison.Ordinal);
            rig.Behave();
        }
        Assert.Equal(before, Holdings.Of(rig.Options));
    }

    private static async Task AssertForksAsync(ProbeRig rig, ProbeMachine source, ulong sum)
    {
        await source.ReconnectAsync(FakeRig.Token);
        Assert.Equal(sum, await source.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token));
        using var capture = await rig.CaptureAsync(source);
        await using var child = await rig.BirthAsync(capture, FakeRig.Token);
        Assert.Equal(sum, await child.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token));
    }

    private sealed record Fault(FakeRule Rule, After After, string Words = "");
}
