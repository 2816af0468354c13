using Mitos.Engine.Errors;
using Mitos.Engine.SelfTest;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>A fault at each call of a birth: that child's error alone. Its source, its siblings and the capture are as they were.</summary>
public sealed class BirthFaultTests(SharedRig shared) : IClassFixture<SharedRig>
{
    private const ulong Length = 1 << 20;
    private const string LastWords = "thread 'main' panicked", Refusal = "not today";

    private static readonly FakeRule Begin = new() { On = "start", Do = FakeAct.Exit, Text = LastWords },
        Load = new() { On = "PUT /snapshot/load", Do = FakeAct.Refuse, Text = Refusal },
        Resume = Load with { On = "PATCH /vm" };

    /// <summary>Null words: it is born all the same.</summary>
    private static readonly Dictionary<string, (FakeRule Rule, string? Words)> Faults = new()
    {
        ["start the end"] = (Begin, LastWords),
        ["start without a word"] = (Begin with { Text = "" }, "it said nothing"),
        ["start without end"] = (Begin with { Do = FakeAct.Stall }, "cannot be reached"),
        ["load refused"] = (Load, Refusal),
        ["load late"] = (Load with { Do = FakeAct.Stall, Ms = 300 }, null),
        ["load not answered"] = (Load with { Do = FakeAct.Cut }, "closed the connection"),
        ["load done, not answered"] = (Load with { Do = FakeAct.Cut, CarryOut = true }, "closed the connection"),
        ["load a lie"] = (Load with { Do = FakeAct.Lie, Text = "" }, "maps nothing"),
        ["load answered with babble"] = (Load with { Do = FakeAct.Babble, Text = "SSH-2.0-OpenSSH\r\n\r\n" }, "no HTTP"),
        ["load the end"] = (Load with { Do = FakeAct.Exit, Text = LastWords }, LastWords),
        ["load the end, afterwards"] = (Load with { Do = FakeAct.Exit, CarryOut = true, Text = LastWords }, LastWords),
        ["resume refused"] = (Resume, Refusal),
        ["resume refused once"] = (Resume with { Times = 1 }, null),
        ["resume not answered"] = (Resume with { Do = FakeAct.Cut, Times = 1 }, null),
        ["resume done, not answered"] = (Resume with { Do = FakeAct.Cut, CarryOut = true, Times = 1 }, null),
        ["resume the end"] = (Resume with { Do = FakeAct.Exit, Text = LastWords }, LastWords),
    };

    public static TheoryData<string> Cases => [.. Faults.Keys];

    [Theory(Timeout = FakeRig.LimitMs)]
    [MemberData(nameof(Cases))]
    public async Task It_is_the_child_s_own(string name)
    {
        var (rule, words) = Faults[name];
        var rig = shared.Rig;
        rig.Behave(); // a test that failed may have left its rule
        await using var source = await rig.Rig.StartMachineAsync(FakeRig.Token);
        await source.Probe.FillAsync(SelfTests.At, Length, 7, FakeRig.Token);
        using var capture = await rig.Rig.CaptureAsync(source);
        await source.ReconnectAsync(FakeRig.Token);
        var sum = await source.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token);
        var before = Holdings.Of(rig.Options);
        rig.Misbehave(rule);
        if (words is null)
        {
            await AssertBornAsync();
        }
        else
        {
            var error = await Assert.ThrowsAsync<VmmException>(() => rig.Rig.BirthAsync(capture, FakeRig.Token));
            Assert.Contains(words, error.Message, StringComparison.Ordinal);
            Assert.Contains("Firecracker ", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(before, Holdings.Of(rig.Options));
        rig.Behave();
        await AssertBornAsync();
        Assert.Equal(sum, await source.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token));

        async Task AssertBornAsync()
        {
            await using var child = await rig.Rig.BirthAsync(capture, FakeRig.Token);
            Assert.Equal(sum, await child.Probe.ChecksumAsync(SelfTests.At, Length, FakeRig.Token));
        }
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task A_binary_that_was_replaced_since_it_was_tested_is_not_used()
    {
        var rig = shared.Rig;
        var before = Holdings.Of(rig.Options);
        rig.Fake.SetPlan(new FakePlan { Version = "1.13.1" });
        var error = await Assert.ThrowsAsync<VmmException>(() => rig.Rig.StartMachineAsync(FakeRig.Token));
        Assert.Contains("of version 1.13.1", error.Message, StringComparison.Ordinal);
        Assert.Contains("was 1.16.1 when it was tested", error.Message, StringComparison.Ordinal);
        rig.Behave();
        Assert.Equal(before, Holdings.Of(rig.Options));
    }
}
