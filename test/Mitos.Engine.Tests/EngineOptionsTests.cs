using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.Tests.Errors;

namespace Mitos.Engine.Tests;

public sealed class EngineOptionsTests
{
    public static TheoryData<string, string> Wrong => new()
    {
        { "a relative state directory", "state" }, { "a relative run directory", "run" }, { "an empty cache directory", "''" }, { "a long run directory", "/rrr" },
        { "shells below 0", "-1" }, { "too many shells", "65" }, { "a negative reserve", "-1 bytes" }, { "no pause", "00:00:00" }, { "users of the host", "from 0 on" },
        { "users beyond the last", "2147483647" },
        { "a negative rate", "-1 MiB" }, { "a rate beyond all disks", "1048577 MiB" }, { "too few operations", "9 disk operations" },
    };

    [Fact]
    public void The_defaults_are_in_order() => new EngineOptions().Check();

    [Fact]
    public void The_longest_run_directory_leaves_room_for_a_socket()
    {
        var directory = "/" + new string('r', 78);
        new EngineOptions { RunDirectory = directory }.Check();
        Assert.Equal(107, $"{directory}/t/v/0123456789ab/home/agent".Length);
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_makes_no_sense_is_refused_and_named(string what, string named)
    {
        var defaults = new EngineOptions();
        var options = what switch
        {
            "a relative state directory" => defaults with { StateDirectory = "state" },
            "a relative run directory" => defaults with { RunDirectory = "run" },
            "an empty cache directory" => defaults with { CacheDirectory = "" },
            "a long run directory" => defaults with { RunDirectory = "/" + new string('r', 79) },
            "shells below 0" => defaults with { WarmShells = -1 },
            "too many shells" => defaults with { WarmShells = 65 },
            "a negative reserve" => defaults with { ReservedMemoryBytes = -1 },
            "no pause" => defaults with { MaxPause = TimeSpan.Zero },
            "users of the host" => defaults with { FirstUserId = 0 },
            "a negative rate" => defaults with { DiskMiBPerSecond = -1 },
            "a rate beyond all disks" => defaults with { DiskMiBPerSecond = (1 << 20) + 1 },
            "too few operations" => defaults with { DiskOperationsPerSecond = 9 },
            _ => defaults with { FirstUserId = int.MaxValue },
        };
        Refusal.Check(ErrorCode.InvalidArgument, named, options.Check);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KVM")]
    [InlineData("xen")]
    public void An_accelerator_that_does_not_exist_is_refused(string name) => Refusal.Check(ErrorCode.InvalidArgument, $"'{name}'", () => VmmProbe.Qemu(name, KvmAccess.Read()));

    [Fact]
    public void The_facts_say_why_the_accelerator_was_chosen()
    {
        Assert.Equal("tcg", Assert.Single(VmmProbe.Qemu("tcg", KvmAccess.Read())).Facts.Accelerator);
        var facts = VmmProbe.Qemu("auto", KvmAccess.Read())[0].Facts;
        Assert.Contains(facts.Accelerator, (string[])["kvm", "tcg"]);
        Assert.NotEmpty(facts.AcceleratorReason);
        Assert.Matches(@"^\d+\.\d+", facts.Version);
        Assert.Contains(facts.Version, facts.Fingerprint, StringComparison.Ordinal);
    }
}
