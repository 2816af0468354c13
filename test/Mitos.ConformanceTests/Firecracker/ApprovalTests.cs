using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.SelfTest;
using Mitos.FirecrackerFake;
using Mitos.FirecrackerFake.Plan;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>No VMM is used before it has passed the short self-test, and each binary has to once.</summary>
public sealed class ApprovalTests : IDisposable
{
    private readonly FakeInstallation _fake = new();
    private readonly EngineOptions _options;

    public ApprovalTests() => _options = FakeRig.NewOptions(_fake);

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task What_passed_is_remembered_by_its_binary()
    {
        await ChooseAsync();
        var tested = _fake.ReadLog().Count;
        Assert.True(tested > 0);
        await ChooseAsync();
        Assert.Equal(tested, _fake.ReadLog().Count);

        File.AppendAllText(_fake.Binary, "# another build\n");
        await ChooseAsync();
        Assert.True(_fake.ReadLog().Count > tested);
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task One_that_writes_its_state_late_is_used_by_its_other_way()
    {
        _fake.SetPlan(new FakePlan { OpensMemoryFirst = true });
        Assert.Equal("Diff", (await ChooseAsync()).Facts.Method);
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task One_that_damages_its_states_is_not_used_and_not_remembered()
    {
        _fake.SetPlan(new FakePlan { DamagesState = true });
        var error = await Assert.ThrowsAsync<SandboxException>(ChooseAsync);
        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Contains("does not fork safely on this host", error.Message, StringComparison.Ordinal);
        Assert.Contains("doctor --self-test", error.Remedy, StringComparison.Ordinal);
        _fake.SetPlan(new FakePlan());
        Assert.Equal("StateOnly", (await ChooseAsync()).Facts.Method);
    }

    [Fact(Timeout = FakeRig.LimitMs)]
    public async Task Where_one_does_not_pass_the_next_is_used_and_the_checks_of_the_host_say_so()
    {
        _fake.SetPlan(new FakePlan { DamagesState = true });
        var choice = new VmmChoice([.. VmmProbe.Firecracker(_fake.Binary), .. VmmProbe.Qemu("tcg", KvmAccess.Read())], "a test");
        Assert.Contains("not yet run", Check("self-test").Finding, StringComparison.Ordinal);
        Assert.Contains("firecracker 1.16.1", Check("VMM").Finding, StringComparison.Ordinal);
        Assert.Equal("qemu", (await VmmApproval.ChooseAsync(choice, _options, NullLogger.Instance)).Facts.Name);
        Assert.Contains("qemu", Check("VMM").Finding, StringComparison.Ordinal);
        var test = Check("self-test");
        Assert.Equal(CheckStatus.Degraded, test.Status);
        Assert.Contains("firecracker 1.16.1 (kvm) did not pass", test.Finding, StringComparison.Ordinal);
        Assert.Contains("doctor --self-test", test.Remedy, StringComparison.Ordinal);

        HostCheck Check(string name) => HostProbe.Run(_options, _ => choice).Checks.Single(check => check.Name == name);
    }

    public void Dispose()
    {
        _fake.Dispose();
        Assert.Empty(Holdings.Of(VmmApproval.DirectoriesOf(_options)));
        foreach (var directory in (string[])[_options.StateDirectory, _options.RunDirectory, _options.CacheDirectory])
        {
            if (Directory.Exists(directory))
                Directory.Delete(directory, recursive: true);
        }
    }

    private Task<VmmCandidate> ChooseAsync() => VmmApproval.ChooseAsync(new VmmChoice(VmmProbe.Firecracker(_fake.Binary), "a test"), _options, NullLogger.Instance);
}
