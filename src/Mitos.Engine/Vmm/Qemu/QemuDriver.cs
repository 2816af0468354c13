using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Linux;
using Mitos.Linux.Files;
using Mitos.Linux.Processes;
using Mitos.Linux.Sockets;

namespace Mitos.Engine.Vmm.Qemu;

/// <summary>QEMU's <c>microvm</c> machine, stock, with TCG or KVM. Facts and traps: docs/vmm-qemu.md.</summary>
public sealed class QemuDriver(VmmFacts facts, LayerStore layers) : IVmmDriver
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    public VmmFacts Facts { get; } = facts;

    // Its libraries, which it loads as it needs them, and its firmware.
    public IReadOnlyList<string> Files => HostFiles.Programs;

    public IVmm Start(VmmSpec spec)
    {
        var open = new List<SafeHandle>();
        try
        {
            using var monitor = UnixSocket.Listen(Path.Combine(spec.RunDirectory, "monitor"));
            using var agent = UnixSocket.Listen(Path.Combine(spec.RunDirectory, "agent"));
            var none = Keep(FileDescriptors.OpenReadWrite("/dev/null"));
            var messages = Keep(File.OpenHandle(MessagesOf(spec), FileMode.Create, FileAccess.Write));
            List<int> descriptors = [none, messages, messages, spec.Memory.Descriptor, monitor.Descriptor, agent.Descriptor];
            descriptors.Add(Keep(FileDescriptors.OpenRead(spec.Disk.BaseImage)));
            foreach (var layer in spec.Disk.Frozen)
                descriptors.Add(Keep(FileDescriptors.OpenRead(layers.PathOf(layer))));
            descriptors.Add(Keep(FileDescriptors.OpenReadWrite(layers.PathOf(spec.ActiveLayer))));
            descriptors.Add(Keep(FileDescriptors.OpenRead(layers.PathOf(spec.ActiveLayer))));
            if (spec.Boot is { } boot)
                descriptors.Add(Keep(FileDescriptors.OpenRead(boot.Kernel)));
            if (spec.Boot is { Initramfs.Length: > 0 } withInitramfs)
                descriptors.Add(Keep(FileDescriptors.OpenRead(withInitramfs.Initramfs)));
            if (spec.Card is { } card)
                descriptors.Add(Keep(card.Attach(spec)));
            var groups = spec.Cgroup.OpenProcs();
            open.AddRange(groups);
            var process = Spawner.Start(new SpawnOptions
            {
                Path = Facts.Binary,
                Arguments = QemuCommandLine.Make(spec, Facts, spec.Card is null ? null : descriptors.Count - 1),
                Descriptors = descriptors,
                Cgroups = groups.Select(group => (int)group.DangerousGetHandle()).ToList(),
                UserId = spec.UserId,
                Groups = Facts.Accelerator == "kvm" ? KvmAccess.Groups : [],
                // one heap for all threads: each further one is private memory of every fork
                Environment = new Dictionary<string, string> { ["MALLOC_ARENA_MAX"] = "1" },
                NoHugePages = true,
                NoCoreDump = true,
                // its user-mode stack is the host's programs'
                Network = spec.UserModeNetwork ? null : NetworkNamespace.Empty,
                Mounts = spec.UserModeNetwork ? null : spec.Mounts,
                MaxOpenFiles = 1024,
            });
            // From here on only QEMU has the listening socket: if it ends now, the connection ends too.
            monitor.Dispose();
            return Connect(spec, process);
        }
        finally
        {
            open.ForEach(handle => handle.Dispose());
        }

        int Keep(SafeFileHandle handle)
        {
            open.Add(handle);
            return (int)handle.DangerousGetHandle();
        }
    }

    public string PlaceImage(string image) => image;

    public void CreateLayer(string path, long diskBytes) => Qcow2Image.CreateEmpty(path, diskBytes);

    public IVmm Adopt(VmmSpec spec, HostProcess process)
    {
        var monitor = new QmpConnection(Path.Combine(spec.RunDirectory, "monitor"), spec.Id, Deadline.In(StartLimit));
        try
        {
            var machine = new QemuMachine(spec, process, monitor, layers);
            if (spec.DiskLimit is { } limit)
                monitor.Run("block_set_io_throttle", QemuCommandLine.Throttle(limit), Deadline.In(StartLimit));
            return machine;
        }
        catch
        {
            monitor.Dispose();
            throw;
        }
    }

    private IVmm Connect(VmmSpec spec, HostProcess process)
    {
        // The listening socket was there before the process: connecting works at once, the greeting comes when QEMU is up.
        try
        {
            return Adopt(spec, process);
        }
        catch (Exception e)
        {
            process.Kill();
            process.Dispose();
            var words = File.ReadAllText(MessagesOf(spec)).Trim();
            throw new VmmException($"QEMU {spec.Id} did not start: {(words.Length > 0 ? words : e.Message)}", e);
        }
    }

    private static string MessagesOf(VmmSpec spec) => Path.Combine(spec.RunDirectory, "messages");
}
