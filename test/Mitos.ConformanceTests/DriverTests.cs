using System.Security.Cryptography;
using Mitos.ConformanceTests;
using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.SelfTest;
using Mitos.Linux.Memory;
using Mitos.Probe;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Mitos.ConformanceTests;

/// <summary>Every driver passes the same checks, on the probe guest; <c>mitos doctor --self-test</c> runs them too.</summary>
public sealed class DriverTests : IDisposable
{
    private readonly Drivers _drivers = new();

    // Skew is looked for in 1,000 forks, in a check of its own below.
    private static readonly SelfTestSize Size = new(Forks: 100, Depth: 32, Children: 16, Births: 10);

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var driver in Drivers.Enabled)
            {
                foreach (var check in SelfTests.All.Keys)
                    cases.Add(driver, check);
            }
            return cases;
        }
    }

    // The largest ones tell nothing new of a driver when its VMM is a fake.
    public static TheoryData<string> Real => [.. Drivers.Enabled.Where(name => !name.StartsWith("firecracker-fake", StringComparison.Ordinal))];

    public static TheoryData<string> Fast => [.. Drivers.Enabled.Where(name => name != "firecracker-fake-diff")];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_driver_keeps_its_contract(string driver, string check)
    {
        var options = NewOptions(_drivers);
        await using (var rig = await ProbeRig.StartAsync(_drivers.Find(driver), options, SelfTests.Shape, TestContext.Current.CancellationToken))
            TestContext.Current.SendDiagnosticMessage($"{driver}: {check}: {await SelfTests.All[check](rig, Size, TestContext.Current.CancellationToken)}");
        Assert.False(Directory.Exists(options.StateDirectory) || Directory.Exists(options.RunDirectory), "the rig left its directories");
    }

    [Theory]
    [MemberData(nameof(Real))]
    public async Task A_thousand_forks_show_no_skew(string driver)
    {
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), NewOptions(_drivers), SelfTests.Shape, TestContext.Current.CancellationToken);
        Assert.Contains("0 violations", await MemoryChecks.SkewAsync(rig, Size with { Forks = 1000 }, TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Real))]
    public async Task Memory_above_the_hole_is_forked_too(string driver)
    {
        const ulong High = 5UL << 30; // above the hole below 4 GiB
        var token = TestContext.Current.CancellationToken;
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), NewOptions(_drivers), new MachineShape(1, 6144, 64), token);
        await using var source = await rig.StartMachineAsync(token);
        var facts = await source.Probe.IdentifyAsync(token);
        Assert.Contains(facts.Memory, range => range.Start <= High && range.End > High + (8 << 20));
        await source.Probe.FillAsync(High, 4 << 20, 11, token);
        await source.Probe.FillAsync(SelfTests.At, 4 << 20, 12, token);
        var sums = (await source.Probe.ChecksumAsync(High, 8 << 20, token), await source.Probe.ChecksumAsync(SelfTests.At, 8 << 20, token));
        using var capture = await rig.CaptureAsync(source);
        await source.ReconnectAsync(token);
        await source.Probe.FillAsync(High, 4 << 20, 13, token);
        await using var child = await rig.BirthAsync(capture, token);
        Assert.Equal(sums, (await child.Probe.ChecksumAsync(High, 8 << 20, token), await child.Probe.ChecksumAsync(SelfTests.At, 8 << 20, token)));
        Assert.InRange(capture.DeltaBytes, 8 << 20, 10 << 20);
    }

    // Time is not asserted: what the kernel lists by PAGEMAP_SCAN costs what is listed.
    [Theory]
    [MemberData(nameof(Fast))]
    public async Task The_delta_is_what_was_written_whatever_the_size_of_the_machine(string driver)
    {
        const int Pages = 1024, Own = 192; // the probe's own, the devices', and page tables
        var token = TestContext.Current.CancellationToken;
        var deltas = new List<long>();
        foreach (var memoryMiB in (int[])[256, 1024])
        {
            await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), NewOptions(_drivers), SelfTests.Shape with { MemoryMiB = memoryMiB }, token);
            await using var source = await rig.StartMachineAsync(token);
            await source.Probe.DirtyAsync(SelfTests.At, Pages, 4096, 6, token);
            using var capture = await rig.CaptureAsync(source);
            deltas.Add(capture.DeltaBytes / PageBuffer.PageSize);
        }
        Assert.All(deltas, pages => Assert.InRange(pages, Pages, Pages + Own));
        Assert.InRange(deltas[1] - deltas[0], -16, 16);
        Assert.True(PageMap.HasScan || !OperatingSystem.IsOSPlatformVersionAtLeast("linux", 6, 7), "this kernel has PAGEMAP_SCAN, and it is not used");
    }

    [Theory]
    [MemberData(nameof(Fast))]
    public async Task A_disk_image_of_another_size_is_refused_and_the_source_goes_on(string driver)
    {
        var token = TestContext.Current.CancellationToken;
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), NewOptions(_drivers), SelfTests.Shape, token);
        await using var source = await rig.StartMachineAsync(token);
        using var capture = await rig.CaptureAsync(source);
        var image = rig.Generation.Record.BaseImage;
        using (var file = File.OpenHandle(image, FileMode.Open, FileAccess.Write))
        {
            RandomAccess.SetLength(file, SelfTests.Shape.DiskBytes - 4096);
            var error = await Assert.ThrowsAsync<VmmException>(() => rig.BirthAsync(capture, token));
            Assert.Contains(image, error.Message, StringComparison.Ordinal);
            Assert.Contains($"{SelfTests.Shape.DiskBytes - 4096} bytes", error.Message, StringComparison.Ordinal);
            RandomAccess.SetLength(file, SelfTests.Shape.DiskBytes);
        }
        await source.ReconnectAsync(token);
        await source.Probe.PingAsync([1], token);
        await (await rig.BirthAsync(capture, token)).DisposeAsync();
    }

    [Fact]
    public void What_is_not_run_here_is_said()
    {
        foreach (var driver in Drivers.Missing)
            TestContext.Current.AddWarning($"{driver} was not tested: qemu-kvm needs MITOS_TEST_KVM=1, firecracker MITOS_FIRECRACKER=PATH");
        Assert.Contains("qemu-tcg", Drivers.Enabled);
    }

    public void Dispose() => _drivers.Dispose();

    /// <param name="drivers">The fakes among them need files of their own.</param>
    internal static EngineOptions NewOptions(Drivers drivers)
    {
        var id = RandomNumberGenerator.GetHexString(6, lowercase: true);
        return new EngineOptions { StateDirectory = $"/var/tmp/mitos-conformance-{id}", RunDirectory = $"/tmp/mc-{id}", VmmFiles = drivers.Files };
    }
}
