using Microsoft.Win32.SafeHandles;
using Mitos.ConformanceTests.Firecracker;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.SelfTest;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Memory;
using Mitos.Linux.Networks;
using Mitos.Linux.Processes;
using Mitos.Probe;

namespace Mitos.ConformanceTests;

/// <summary>Network cards by each driver: on taps in a namespace of the test's own. The engine gives its sandboxes none yet.</summary>
public sealed class CardTests : IDisposable
{
    private const int UserId = 2_000_023_456;
    private readonly Drivers _drivers = new();
    private string _group = "";
    private readonly SafeFileHandle _network = NetworkNamespace.Create();

    public static TheoryData<string> Cases => [.. Drivers.Enabled];

    private static Deadline Patience => Deadline.In(TimeSpan.FromMinutes(2));

    [Theory(Timeout = FakeRig.LimitMs)]
    [MemberData(nameof(Cases))]
    public async Task Each_machine_has_a_tap_of_its_own_and_one_that_is_busy_or_missing_is_an_error_that_harms_nobody(string driver)
    {
        var token = TestContext.Current.CancellationToken;
        var options = DriverTests.NewOptions(_drivers);
        await using var rig = await ProbeRig.StartAsync(_drivers.Find(driver), options, SelfTests.Shape, token);
        _group = ProbeRig.EngineIdOf(options);
        foreach (var tap in (string[])["one", "two", "three"])
            TapDevice.Create(_network, tap, UserId);
        using var memory = MemoryFile.Create("probe", SelfTests.Shape.MemoryBytes);
        byte[] state;
        LayerId layer;
        using (var source = Start(rig, memory, [], new BootSource(ProbeImage.Path, "", ""), "one"))
        {
            layer = source.Spec.ActiveLayer;
            Assert.Equal(Errno.EBUSY, Assert.Throws<LinuxException>(() => TapDevice.Attach(_network, "one")).Errno);
            await IdentifyAsync(source);
            source.Vmm.PrepareSave(Patience);
            source.Vmm.Pause(Patience);
            source.Vmm.SaveDeviceState(Patience);
            state = source.Vmm.TakeDeviceState(Patience);
        }
        memory.Seal();
        using var child = Load(rig, memory, layer, state, "two");
        await IdentifyAsync(child);
        Assert.Equal(Errno.EBUSY, Assert.Throws<LinuxException>(() => TapDevice.Attach(_network, "two")).Errno);
        TapDevice.Attach(_network, "one").Dispose(); // the source is gone, its tap is free

        var before = Holdings.Of(options);
        var error = Assert.Throws<VmmException>(() => Load(rig, memory, layer, state, "two"));
        Assert.Contains("The tap 'two' of machine ", error.Message, StringComparison.Ordinal);
        Assert.Contains("is busy, another process has it open: end that one, or give each machine a tap of its own.", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<VmmException>(() => Load(rig, memory, layer, state, "none"));
        Assert.Contains("The tap 'none' of machine ", error.Message, StringComparison.Ordinal);
        Assert.Contains($"is missing in its network namespace: make it before the machine is started, for user {UserId}.", error.Message, StringComparison.Ordinal);
        Assert.Equal(Errno.ENODEV, Assert.Throws<LinuxException>(() => TapDevice.Attach(_network, "none")).Errno); // nobody made it
        if (driver.StartsWith("firecracker", StringComparison.Ordinal))
        {
            // taken while the shell waited
            using var waiting = Start(rig, memory, [layer], null, "three");
            using (TapDevice.Attach(_network, "three"))
                error = Assert.Throws<VmmException>(() => waiting.Vmm.Load(state, _ => { }, Patience));
            Assert.Contains("The tap 'three' of machine ", error.Message, StringComparison.Ordinal);
            Assert.Contains("is busy", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(before, Holdings.Of(options));
        await IdentifyAsync(child);
        using var again = Load(rig, memory, layer, state, "three");
        await IdentifyAsync(again);
    }

    public void Dispose()
    {
        _network.Dispose();
        _drivers.Dispose();
    }

    private Started Load(ProbeRig rig, MemoryFile memory, LayerId layer, byte[] state, string tap)
    {
        var machine = Start(rig, memory, [layer], null, tap);
        try
        {
            machine.Vmm.Load(state, _ => { }, Patience);
            machine.Vmm.Resume(Patience);
            return machine;
        }
        catch
        {
            machine.Dispose();
            throw;
        }
    }

    private Started Start(ProbeRig rig, MemoryFile memory, LayerId[] frozen, BootSource? boot, string tap)
    {
        var id = VmmId.New();
        var spec = new VmmSpec
        {
            Id = id,
            Shape = SelfTests.Shape,
            Memory = memory,
            Disk = new DiskStack(rig.Generation.Record.BaseImage, [.. frozen]),
            ActiveLayer = rig.Host.CreateLayer(SelfTests.Shape),
            Boot = boot,
            RunDirectory = Directory.CreateDirectory(rig.Host.RunDirectoryOf(id), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName,
            UserId = UserId,
            Cgroup = Cgroup.Create(rig.Host.Cgroups, MachineHost.GroupName(_group, id), new CgroupLimits(1L << 30, 1.5, 128)),
            Card = new NetworkCard(_network, tap, "02:00:00:00:00:17"),
            Mounts = rig.Host.Mounts,
        };
        try
        {
            return new Started(rig, spec, rig.Host.Driver.Start(spec));
        }
        catch
        {
            Started.Remove(rig, spec);
            throw;
        }
    }

    private static async Task IdentifyAsync(Started machine)
    {
        await using var probe = await ProbeClient.ConnectAsync(machine.Vmm.ConnectAgentAsync, FakeRig.Token);
        await probe.IdentifyAsync(FakeRig.Token);
    }

    /// <summary>A machine, and what was made for it.</summary>
    private sealed record Started(ProbeRig Rig, VmmSpec Spec, IVmm Vmm) : IDisposable
    {
        public void Dispose()
        {
            Vmm.Dispose();
            Vmm.Process.Exited.Wait();
            Remove(Rig, Spec, keepLayer: Spec.Boot is not null);
        }

        public static void Remove(ProbeRig rig, VmmSpec spec, bool keepLayer = false)
        {
            Directory.Delete(spec.RunDirectory, recursive: true);
            for (var i = 0; i < 100 && !spec.Cgroup.TryRemove(); i++)
                Thread.Sleep(1);
            if (!keepLayer)
                rig.Host.Layers.Release([spec.ActiveLayer]);
        }
    }
}
