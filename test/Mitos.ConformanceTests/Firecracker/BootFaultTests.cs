using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.SelfTest;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>A fault at each call of a first boot: an error that names the machine and the call, and nothing left.</summary>
public sealed class BootFaultTests
{
    private static readonly string[] Calls = ["PUT /machine-config", "PUT /boot-source", "PUT /drives/disk0", "PUT /vsock", "PUT /entropy", "PUT /actions", "PATCH /vm", "PUT /snapshot/create"];

    public static TheoryData<string, FakeAct> Cases
    {
        get
        {
            var cases = new TheoryData<string, FakeAct>();
            foreach (var call in Calls)
            {
                foreach (var act in (FakeAct[])[FakeAct.Refuse, FakeAct.Cut, FakeAct.Exit])
                    cases.Add(call, act);
            }
            return cases;
        }
    }

    [Theory(Timeout = FakeRig.LimitMs)]
    [MemberData(nameof(Cases))]
    public async Task Nothing_is_left(string call, FakeAct act)
    {
        var error = await ErrorOfAsync(new FakePlan { Rules = [new FakeRule { On = call, Do = act, Text = "not today" }] }, SelfTests.Shape);
        Assert.Contains("Firecracker ", error.Message, StringComparison.Ordinal);
        Assert.Contains(act == FakeAct.Cut ? call : "not today", error.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task A_release_that_damages_large_snapshots_gets_no_large_machine()
    {
        var error = await ErrorOfAsync(new FakePlan { Version = "1.14.1" }, new MachineShape(1, 4096, 64));
        Assert.Contains("3 GiB", error.Message, StringComparison.Ordinal);
        Assert.Contains("1.15", error.Message, StringComparison.Ordinal);
    }

    private static async Task<VmmException> ErrorOfAsync(FakePlan plan, MachineShape shape)
    {
        using var fake = new FakeInstallation(plan);
        var options = FakeRig.NewOptions(fake);
        var error = await Assert.ThrowsAsync<VmmException>(() => ProbeRig.StartAsync(FakeRig.Candidate(fake), options, shape, FakeRig.Token));
        Assert.Empty(Holdings.Of(options));
        return error;
    }
}
