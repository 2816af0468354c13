using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Hosts;
using Mitos.Engine.Templates;
using Mitos.Linux;
using Mitos.Linux.Files;
using Mitos.Linux.Memory;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Vmm.Firecracker;

/// <summary>Stock Firecracker on KVM. Facts, versions and traps: docs/vmm-firecracker.md.</summary>
/// <param name="facts">The binary, and what it is.</param>
/// <param name="version">Its version.</param>
/// <param name="save">How it saves.</param>
/// <param name="layers">Disks; on a file system with reflinks.</param>
public sealed class FirecrackerDriver(VmmFacts facts, FirecrackerVersion version, FirecrackerSave save, LayerStore layers) : IVmmDriver
{
    /// <summary>The process's working directory, in its run directory: its own, for it makes its sockets there.</summary>
    internal const string Home = "home";

    private const int MaxWords = 600;
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    /// <summary>How long a process may take until its API is there, and then to be configured.</summary>
    internal TimeSpan StartLimit { get; init; } = TimeSpan.FromSeconds(10);

    public VmmFacts Facts { get; } = facts;

    // Releases are one file; one that was built with glibc needs its libraries.
    public IReadOnlyList<string> Files { get; } = HostFiles.IsSelfContained(facts.Binary) ? [facts.Binary] : [.. HostFiles.Programs, facts.Binary];

    /// <summary>In the directory of the layers, for blocks are shared within one file system.</summary>
    public string PlaceImage(string image)
    {
        var placed = Path.Combine(layers.ImageDirectory, Path.GetFileName(image));
        if (File.Exists(placed))
            return placed;
        var draft = placed + ".new";
        try
        {
            HostTool.RunAsync("cp", ["--reflink=auto", "--sparse=always", image, draft], null, CancellationToken.None).GetAwaiter().GetResult();
            File.SetUnixFileMode(draft, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(draft, placed, overwrite: true);
            return placed;
        }
        finally
        {
            File.Delete(draft);
        }
    }

    public void CreateLayer(string path, long diskBytes)
    {
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.SetLength(file, diskBytes);
        // Its directory is root's alone; the process gets it as a descriptor, which Firecracker opens anew by its number.
        File.SetUnixFileMode(path, (UnixFileMode)0x1B6 /* 0666 */);
    }

    public IVmm Start(VmmSpec spec)
    {
        if (version.WhyNot(spec.Shape.MemoryBytes) is { } reason)
            throw new VmmException($"Machine {spec.Id} cannot be started: {reason}.");
        spec.Card?.Attach(spec).Dispose(); // it opens the tap itself, and says less when that fails
        var home = Path.Combine(spec.RunDirectory, Home);
        Directory.CreateDirectory(home);
        FileOwner.Set(home, spec.UserId);
        return spec.Boot is null ? StartShell(spec) : Boot(spec);
    }

    public IVmm Adopt(VmmSpec spec, HostProcess process)
    {
        var open = new List<IDisposable>();
        try
        {
            var api = new FirecrackerApi(ApiOf(spec), spec.Id, process, () => LastWords(spec), Deadline.In(StartLimit));
            open.Add(api);
            var state = MemoryFile.Reopen(process.Id, FirecrackerRequests.StateDescriptor);
            open.Add(state);
            var scratch = save == FirecrackerSave.Diff ? MemoryFile.Reopen(process.Id, FirecrackerRequests.ScratchDescriptor) : null;
            if (spec.DiskLimit is { } limit)
                api.Call(FirecrackerRequests.LimitDisk(limit), Deadline.In(StartLimit));
            return new FirecrackerMachine(spec, version, process, api, state, scratch, layers);
        }
        catch (Exception e)
        {
            open.ForEach(one => one.Dispose());
            if (e is LinuxException)
                throw new VmmException($"Firecracker {spec.Id} cannot be taken over: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Makes a call by which Firecracker opens the card's tap.</summary>
    /// <exception cref="VmmException">Refused; what is wrong with the tap comes first.</exception>
    internal static void WithCard(VmmSpec spec, Action call)
    {
        try
        {
            call();
        }
        catch (VmmException e) when (spec.Card?.Explain(spec, e) is { } explained)
        {
            throw explained;
        }
    }

    /// <summary>The file that has all of a stack's content.</summary>
    internal static string TopOf(DiskStack stack, LayerStore layers) => stack.Frozen.Length > 0 ? layers.PathOf(stack.Frozen[^1]) : stack.BaseImage;

    internal static string ConsoleOf(VmmSpec spec) => Path.Combine(spec.RunDirectory, "console");

    private FirecrackerMachine StartShell(VmmSpec spec)
    {
        var machine = Launch(spec, out _);
        return OrEnd(spec, machine, () => machine.SetDisk(spec.Disk, Deadline.In(StartLimit)));
    }

    private FirecrackerMachine Boot(VmmSpec spec)
    {
        var machine = Launch(spec, out var api);
        return OrEnd(spec, machine, () =>
        {
            var deadline = Deadline.In(StartLimit);
            machine.SetDisk(spec.Disk, deadline);
            api.Call(FirecrackerRequests.Machine(spec.Shape.CpuCount, spec.Shape.MemoryMiB), deadline);
            api.Call(FirecrackerRequests.Boot(KernelCommandLine(spec.Boot!), spec.Boot!.Initramfs.Length > 0), deadline);
            api.Call(FirecrackerRequests.Disk(spec.DiskLimit ?? default), deadline);
            if (spec.Card is { } card)
                WithCard(spec, () => api.Call(FirecrackerRequests.Card(card), deadline));
            api.Call(FirecrackerRequests.Vsock(), deadline);
            api.Call(FirecrackerRequests.Entropy(), deadline);
            api.Call(FirecrackerRequests.Start, deadline);
        });
    }

    private static FirecrackerMachine OrEnd(VmmSpec spec, FirecrackerMachine machine, Action configure)
    {
        try
        {
            configure();
            return machine;
        }
        catch (Exception e)
        {
            machine.Process.Kill();
            machine.Process.Exited.Wait(EndLimit); // whoever removes its directory and cgroup finds them unused
            machine.Dispose();
            if (e is IOException)
                throw new VmmException($"Firecracker {spec.Id} could not be configured: {e.Message}", e);
            throw;
        }
    }

    private FirecrackerMachine Launch(VmmSpec spec, out FirecrackerApi api)
    {
        var open = new List<SafeHandle>();
        HostProcess? process = null;
        MemoryFile? state = null, scratch = null;
        try
        {
            state = MemoryFile.Create("device-state", 0);
            scratch = save == FirecrackerSave.Diff ? MemoryFile.Create("diff", spec.Shape.MemoryBytes) : null;
            var none = Keep(FileDescriptors.OpenReadWrite("/dev/null"));
            // What a boot prints is bounded by its time; a sandbox's console is not, and goes nowhere.
            var console = spec.Boot is null ? none : Keep(File.OpenHandle(ConsoleOf(spec), FileMode.Create, FileAccess.Write));
            var messages = Keep(File.OpenHandle(MessagesOf(spec), FileMode.Create, FileAccess.Write));
            List<int> descriptors = [none, console, messages, spec.Memory.Descriptor, state.Descriptor, Keep(FileDescriptors.OpenReadWrite(layers.PathOf(spec.ActiveLayer))), scratch?.Descriptor ?? none];
            if (spec.Boot is { } boot)
                descriptors.Add(Keep(FileDescriptors.OpenRead(boot.Kernel)));
            if (spec.Boot is { Initramfs.Length: > 0 } withInitramfs)
                descriptors.Add(Keep(FileDescriptors.OpenRead(withInitramfs.Initramfs)));
            var groups = spec.Cgroup.OpenProcs();
            open.AddRange(groups);
            process = Spawner.Start(new SpawnOptions
            {
                Path = Facts.Binary,
                Arguments = ["firecracker", "--id", spec.Id, "--api-sock", FirecrackerRequests.ApiSocket],
                Descriptors = descriptors,
                Directory = Path.Combine(spec.RunDirectory, Home),
                EnterFirst = true, // the run directory above is root's alone
                Cgroups = groups.Select(group => (int)group.DangerousGetHandle()).ToList(),
                UserId = spec.UserId,
                Groups = KvmAccess.Groups,
                NoHugePages = true,
                NoCoreDump = true,
                Network = spec.Card?.Network ?? NetworkNamespace.Empty,
                Mounts = spec.Mounts,
                MaxOpenFiles = 1024,
            });
            api = new FirecrackerApi(ApiOf(spec), spec.Id, process, () => LastWords(spec), Deadline.In(StartLimit));
            CheckVersion(spec, api);
            return new FirecrackerMachine(spec, version, process, api, state, scratch, layers);
        }
        catch (Exception e)
        {
            process?.Kill();
            process?.Exited.Wait(EndLimit);
            process?.Dispose();
            state?.Dispose();
            scratch?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw new VmmException($"Firecracker {spec.Id} could not be started: {e.Message}", e);
            throw;
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

    // The binary may have been replaced since it was tested.
    private void CheckVersion(VmmSpec spec, FirecrackerApi api)
    {
        var answer = api.Call(FirecrackerRequests.Version, Deadline.In(StartLimit));
        if (HttpAnswer.FieldOf(answer, "firecracker_version") is var found && found != Facts.Version)
            throw new VmmException($"Firecracker {spec.Id} is of version {found ?? answer}, and {Facts.Binary} was {Facts.Version} when it was tested. Start the daemon anew, so that it tests this one: `mitos down`, `mitos up`.");
    }

    private static string LastWords(VmmSpec spec) => (TailOf(MessagesOf(spec)) + TailOf(ConsoleOf(spec))).Trim();

    private static string TailOf(string path)
    {
        if (!File.Exists(path))
            return "";
        using var file = File.OpenHandle(path);
        var words = new byte[MaxWords];
        return Encoding.UTF8.GetString(words, 0, RandomAccess.Read(file, words, Math.Max(0, RandomAccess.GetLength(file) - MaxWords)));
    }

    private static string ApiOf(VmmSpec spec) => Path.Combine(spec.RunDirectory, Home, FirecrackerRequests.ApiSocket);

    private static string MessagesOf(VmmSpec spec) => Path.Combine(spec.RunDirectory, "messages");

    // 8250.nr_uarts=0 after the boot would be better still; a UART that is caught while it transmits is stuck in versions before 1.16.
    private static string KernelCommandLine(BootSource boot) =>
        "console=ttyS0 reboot=k panic=-1 random.trust_cpu=on tsc=reliable nowatchdog quiet psi=0 audit=0 lsm=landlock,yama " + boot.CommandLine;
}
