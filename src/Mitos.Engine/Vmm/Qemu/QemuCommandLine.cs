using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine.Disks;

namespace Mitos.Engine.Vmm.Qemu;

/// <summary>
/// The command line of one QEMU. Everything it uses it gets as an open descriptor, so that it can run with no access to any
/// file of ours: as a user of its own, sandboxed, from its first instruction.
/// </summary>
internal static class QemuCommandLine
{
    /// <summary>Descriptors of the process, by number.</summary>
    public const int MemoryDescriptor = IVmmDriver.MemoryDescriptor, MonitorDescriptor = 4, AgentDescriptor = 5, FirstDiskDescriptor = 6;

    /// <summary>The fdset of the layer at <paramref name="position"/> of the stack; 1 is the base image.</summary>
    public static int DiskSet(int position) => position + 1;

    public static string NodeOf(LayerId layer) => "l" + layer;

    public static string FileNodeOf(LayerId layer) => "f" + layer;

    /// <param name="spec">What to start.</param>
    /// <param name="facts">The VMM.</param>
    /// <param name="tap">Descriptor of the tap of its card; null: it has none.</param>
    public static IReadOnlyList<string> Make(VmmSpec spec, VmmFacts facts, int? tap = null)
    {
        var tcg = facts.Accelerator == "tcg";
        var arguments = new List<string>
        {
            "qemu", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-name", spec.Id,
            "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            // a large translation cache would be private memory of every fork
            "-accel", tcg ? "tcg,tb-size=64" : "kvm",
            "-smp", spec.Shape.CpuCount.ToString(CultureInfo.InvariantCulture),
            "-m", spec.Shape.MemoryMiB.ToString(CultureInfo.InvariantCulture),
            "-object", $"memory-backend-file,id=ram,size={spec.Shape.MemoryMiB}M,mem-path=/proc/self/fd/{MemoryDescriptor},share={(spec.Memory.IsSealed ? "off" : "on")}",
            "-chardev", $"socket,id=monitor,fd={MonitorDescriptor},server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            // the console stays in a ring in QEMU: a guest that prints without end fills nothing on the host
            "-chardev", "ringbuf,id=console,size=65536", "-serial", "chardev:console",
            "-chardev", $"socket,id=agent,fd={AgentDescriptor},server=on,wait=off",
            "-netdev", tap is { } card ? $"tap,id=net,fd={card}" : spec.UserModeNetwork ? "user,id=net,ipv6=off" : "hubport,hubid=0,id=net",
        };
        arguments.AddRange(Devices(facts.Accelerator, spec.Card?.MacAddress));
        for (var position = 0; position <= spec.Disk.Frozen.Length + 1; position++)
            arguments.AddRange(["-add-fd", $"fd={FirstDiskDescriptor + position},set={DiskSet(position)}"]);
        // a second one for the active layer, read-only: it will be frozen
        var next = FirstDiskDescriptor + spec.Disk.Frozen.Length + 2;
        arguments.AddRange(["-add-fd", $"fd={next++},set={DiskSet(spec.Disk.Frozen.Length + 1)}"]);
        arguments.AddRange(["-blockdev", Stack(spec).ToJsonString(), "-device", $"{Disk},drive={NodeOf(spec.ActiveLayer)}"]);
        if (spec.Boot is { } boot)
        {
            // opened through /proc: that asks for rights on the files, not on the directories above them
            arguments.AddRange(["-kernel", $"/proc/self/fd/{next}", "-append", KernelCommandLine(boot, tcg)]);
            if (boot.Initramfs.Length > 0)
                arguments.AddRange(["-initrd", $"/proc/self/fd/{next + 1}"]);
        }
        else
        {
            arguments.AddRange(["-incoming", "defer"]);
        }
        return arguments;
    }

    /// <summary>Names the devices that a guest sees, so that a generation of others is recognised.</summary>
    public static string DeviceModel(string accelerator) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', [.. Devices(accelerator), Disk]))))[..8];

    // A full host disk is an error inside the guest, not a machine that stops.
    private const string Disk = "virtio-blk-device,id=disk0,werror=report,rerror=report";

    // What the guest sees of its machine, but for the disk, which needs its layers.
    private static string[] Devices(string accelerator, string? macAddress = null) =>
    [
        // a stream made by xen-save-devices-state carries no configuration section
        "-global", "migration.send-configuration=off",
        // a child on a card without a cable need not tell the neighbours that it moved: that is 20 ms of cold code
        "-global", "migration.announce-rounds=0",
        "-M", "microvm,memory-backend=ram,rtc=on,isa-serial=on",
        // a KVM that is itself emulated (no vmx, no svm) offers that register and then refuses it
        "-cpu", accelerator == "tcg" ? "max,erms=off" : HostCpu.HasVirtualization() ? "host" : "host,arch-capabilities=off",
        "-device", "virtio-serial-device", "-device", "virtserialport,chardev=agent,name=mitos.agent",
        // the card is always there, because the devices of a generation and its descendants must be the same
        "-device", $"virtio-net-device,netdev=net,guest_announce=off,mac={macAddress ?? "02:6d:69:74:6f:73"}",
    ];

    /// <summary>The arguments of block_set_io_throttle. It belongs to the device, whatever its layers, and to no state.</summary>
    public static JsonObject Throttle(DiskLimit limit) => new()
    {
        ["id"] = "disk0",
        ["bps"] = 0,
        ["bps_rd"] = limit.BytesPerSecond,
        ["bps_wr"] = limit.BytesPerSecond,
        ["iops"] = 0,
        ["iops_rd"] = limit.OperationsPerSecond,
        ["iops_wr"] = limit.OperationsPerSecond,
    };

    /// <summary>The options of a layer's node, for -blockdev and blockdev-add.</summary>
    public static JsonObject Layer(LayerId layer, int set, bool writable, JsonNode? backing) => new()
    {
        ["driver"] = "qcow2",
        ["node-name"] = NodeOf(layer),
        ["read-only"] = !writable,
        ["discard"] = "unmap",
        ["file"] = new JsonObject
        {
            ["driver"] = "file",
            ["node-name"] = FileNodeOf(layer),
            ["filename"] = $"/dev/fdset/{set}",
            ["locking"] = "off",
            ["read-only"] = !writable,
            ["discard"] = "unmap",
            // the machine does not outlive the host, so nothing is gained by waiting for its disk
            ["cache"] = new JsonObject { ["no-flush"] = true },
        },
        ["backing"] = backing,
    };

    private static JsonObject Stack(VmmSpec spec)
    {
        var node = new JsonObject
        {
            ["driver"] = "raw",
            ["node-name"] = "base",
            ["read-only"] = true,
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = $"/dev/fdset/{DiskSet(0)}", ["locking"] = "off", ["read-only"] = true },
        };
        for (var i = 0; i < spec.Disk.Frozen.Length; i++)
            node = Layer(spec.Disk.Frozen[i], DiskSet(i + 1), writable: false, node);
        return Layer(spec.ActiveLayer, DiskSet(spec.Disk.Frozen.Length + 1), writable: true, node);
    }

    // tsc_early_khz: without it one TCG boot in three hangs, for microvm has no PIT, HPET or PM timer to calibrate against.
    // tsc=reliable and nowatchdog: no periodic checks, so an idle guest sleeps.
    // psi, audit, lsm: code on every system call and switch that nobody here uses, and that each child translates anew.
    // norandmaps: TCG keeps translated code by virtual address, so with ASLR each exec of the same program is translated again
    // (docs/decisions/0005); with KVM it stays on.
    // mitos.timer=off: QEMU emulates the interval timer in its main loop, which would wake 36 times a second for a timer that Linux does
    // not use on a microvm; the agent stops it at boot. Not by pit=off: the machine that boots stays the one that is proven.
    // erms=off and clearcpuid=112 (rep_good): TCG carries out `rep movs` and `rep stos` a byte or a word at a time, and the kernel
    // would copy and clear all pages by them.
    private static string KernelCommandLine(BootSource boot, bool tcg) =>
        "console=ttyS0 panic=-1 reboot=t random.trust_cpu=on tsc=reliable nowatchdog loglevel=5 psi=0 audit=0 lsm=landlock,yama "
        + (tcg ? string.Create(CultureInfo.InvariantCulture, $"tsc_early_khz={HostCpu.ReadKHz()} mitigations=off norandmaps clearcpuid=112 mitos.timer=off ") : "") + boot.CommandLine;
}
