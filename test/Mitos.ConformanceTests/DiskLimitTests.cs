using System.Text.Json.Nodes;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Vmm.Qemu;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Files;

namespace Mitos.ConformanceTests;

/// <summary>That one machine does not take the disk from the others, by each driver: by its cgroup, and by its VMM where that is not enough (docs/decisions/0009).</summary>
public sealed class DiskLimitTests : IDisposable
{
    private const long Bytes = 40 << 20, Operations = 900;
    private readonly Drivers _drivers = new();

    public static TheoryData<string> Cases => [.. Drivers.Enabled.Where(name => name != "firecracker-fake-diff")];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_machine_that_boots_and_its_children_are_limited_and_work(string driver)
    {
        var token = TestContext.Current.CancellationToken;
        var options = DriverTests.NewOptions(_drivers) with { DiskMiBPerSecond = (int)(Bytes >> 20), DiskOperationsPerSecond = (int)Operations };
        var cgroups = CgroupHierarchy.Probe();
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), options, SelfTests.Shape, token);
        await using var source = await rig.StartMachineAsync(token);
        await source.Probe.WriteDiskAsync(0, 8, [.. Enumerable.Repeat((byte)7, 4096)], token);
        using var capture = await rig.CaptureAsync(source);
        await using var child = await rig.BirthAsync(capture, token);
        Assert.Equal(7, (await child.Probe.ReadDiskAsync(0, 8, 4096, token))[4095]);
        var spec = child.Machine.Spec;
        foreach (var device in ((string[])[rig.Host.Layers.PathOf(spec.ActiveLayer), options.StateDirectory]).Select(BlockDevice.Of).OfType<string>().Distinct())
        {
            if (cgroups.HasDisks)
                Assert.Contains(cgroups.Version == 2 ? $"{device} rbps={Bytes} wbps={Bytes} riops={Operations} wiops={Operations}" : $"{device} {Bytes}", LimitsOf(cgroups, options, spec.Id));
        }
        Assert.Equal(!cgroups.HasDisks || cgroups.Version == 1, spec.DiskLimit is not null);
        if (spec.DiskLimit is null)
            return;
        if (driver.StartsWith("qemu", StringComparison.Ordinal))
        {
            child.Machine.Vmm.Detach(); // a monitor has one client
            using var monitor = new QmpConnection(Path.Combine(spec.RunDirectory, "monitor"), spec.Id, Deadline.In(TimeSpan.FromMinutes(1)));
            var disk = monitor.Query("query-block", null, Deadline.In(TimeSpan.FromMinutes(1)), result => result.AsArray().Select(device => device!["inserted"]).First(inserted => inserted is not null)!.DeepClone());
            Assert.Equal((Bytes, Bytes, Operations, Operations), ((long)disk["bps_rd"]!, (long)disk["bps_wr"]!, (long)disk["iops_rd"]!, (long)disk["iops_wr"]!));
        }
        else if (driver == "firecracker-fake")
        {
            var limiter = new JsonObject { ["bandwidth"] = new JsonObject { ["size"] = Bytes, ["refill_time"] = 1000 }, ["ops"] = new JsonObject { ["size"] = Operations, ["refill_time"] = 1000 } }.ToJsonString();
            var log = _drivers.Requests.Where(request => request.Path == "/drives/disk0").ToList();
            Assert.All(log, request => Assert.Equal(limiter, JsonNode.Parse(request.Body)!["rate_limiter"]!.ToJsonString()));
            Assert.Equal(["PUT 204", "PATCH 204", "PATCH 204"], log.Select(request => $"{request.Method} {request.Status}"));
        }
    }

    public void Dispose() => _drivers.Dispose();

    private static List<string> LimitsOf(CgroupHierarchy cgroups, Engine.EngineOptions options, string machine) =>
        cgroups.Roots.Select(root => Path.Combine(root, "mitos", ProbeRig.EngineIdOf(options), machine)).SelectMany(group => (string[])["io.max", "blkio.throttle.read_bps_device"], Path.Combine)
            .Where(File.Exists).SelectMany(File.ReadAllLines).ToList();
}
