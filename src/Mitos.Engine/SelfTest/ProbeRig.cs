using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Disks;
using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Hosts;
using Mitos.Engine.Machines;
using Mitos.Engine.Recovery;
using Mitos.Engine.Vmm;
using Mitos.Linux;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Memory;
using Mitos.Probe;

namespace Mitos.Engine.SelfTest;

/// <summary>
/// A driver and the engine's own capture and birth, with the probe guest in place of Linux: what a fork must keep is seen in
/// milliseconds, on any accelerator. In directories of its own, which it removes.
/// </summary>
public sealed class ProbeRig : IAsyncDisposable
{
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(20);
    private readonly string _directory, _runDirectory;
    private readonly Capturer _capturer;
    private readonly Birth _birth;

    private ProbeRig(string directory, string runDirectory, MachineHost host)
    {
        (_directory, _runDirectory, Host) = (directory, runDirectory, host);
        Shells = new ShellPool(host, 0, TimeProvider.System);
        _capturer = new Capturer(host, TimeSpan.FromSeconds(10));
        _birth = new Birth(host, Shells);
    }

    public MachineHost Host { get; }

    /// <summary>What all its machines map.</summary>
    public Generation Generation { get; private set; } = null!;

    internal ShellPool Shells { get; }

    /// <summary>Boots the probe and freezes it into a generation.</summary>
    /// <param name="vmm">What to test.</param>
    /// <param name="options">Its state and run directories are used and removed, with what a rig that was killed left in them.</param>
    /// <param name="shape">Of the machines.</param>
    /// <param name="cancellationToken">Ends the waiting for the guest.</param>
    /// <exception cref="Errors.VmmException">The VMM does not start.</exception>
    public static async Task<ProbeRig> StartAsync(VmmCandidate vmm, EngineOptions options, MachineShape shape, CancellationToken cancellationToken)
    {
        await RemoveLeftoversAsync(options);
        Directory.CreateDirectory(options.StateDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var layers = await vmm.OpenLayersAsync(options.StateDirectory, cancellationToken);
        var rig = new ProbeRig(options.StateDirectory, options.RunDirectory, new MachineHost(options, EngineIdOf(options), vmm.Make(layers), layers, CgroupHierarchy.Probe()));
        try
        {
            await rig.BootAsync(shape, cancellationToken);
            return rig;
        }
        catch
        {
            await rig.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends and removes what a rig that was killed left.</summary>
    public static async Task RemoveLeftoversAsync(EngineOptions options)
    {
        await Leftovers.EndAsync(MachineHost.RunRootOf(options), EngineIdOf(options), CgroupHierarchy.Probe(), new HashSet<string>());
        await RemoveAsync(options.StateDirectory);
        if (Directory.Exists(options.RunDirectory))
            Directory.Delete(options.RunDirectory, recursive: true);
    }

    /// <summary>A machine of the generation itself.</summary>
    public async Task<ProbeMachine> StartMachineAsync(CancellationToken cancellationToken)
    {
        using var capture = Capture.Of(Generation, Host.Layers);
        return await BirthAsync(capture, cancellationToken);
    }

    /// <summary>Captures a machine, which goes on.</summary>
    public async Task<ProbeCapture> CaptureAsync(ProbeMachine source)
    {
        var (capture, pause) = await Task.Run(() => _capturer.Take(source.Machine, () => { }), CancellationToken.None);
        return new ProbeCapture(capture, pause.Between(0, 6)) { Regions = source.Machine.Vmm.Memory };
    }

    /// <summary>A child of a capture.</summary>
    public Task<ProbeMachine> BirthAsync(ProbeCapture capture, CancellationToken cancellationToken) => BirthAsync(capture.Capture, cancellationToken);

    /// <summary>A child of a capture, of a shell that was ready: what is done for it while nobody waits is not part of it.</summary>
    /// <returns>The child, and how long it took until its probe had answered.</returns>
    public async Task<(ProbeMachine Child, TimeSpan Ready)> TimeBirthAsync(ProbeCapture capture, bool warm, CancellationToken cancellationToken)
    {
        var shell = warm ? await Task.Run(() => Host.StartShell(Generation), cancellationToken) : null;
        var started = Stopwatch.GetTimestamp();
        var child = await BirthAsync(capture.Capture, cancellationToken, shell);
        try
        {
            await child.Probe.PingAsync([], cancellationToken);
            return (child, Stopwatch.GetElapsedTime(started));
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Shells.DisposeAsync();
        Generation?.Dispose();
        await RemoveAsync(_directory);
        if (Directory.Exists(_runDirectory))
            Directory.Delete(_runDirectory, recursive: true);
        Host.Dispose();
    }

    // The same name each time, so that what was left behind is found.
    internal static string EngineIdOf(EngineOptions options) => "test-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.RunDirectory)))[..8];

    private static async Task RemoveAsync(string directory)
    {
        if (Directory.Exists(directory) && await ReflinkVolume.TryCloseAsync(directory))
            Directory.Delete(directory, recursive: true);
    }

    private async Task<ProbeMachine> BirthAsync(Capture capture, CancellationToken cancellationToken, Machine? shell = null)
    {
        var (machine, _) = await _birth.MakeAsync(capture, null, shell, cancellationToken);
        try
        {
            return new ProbeMachine(machine, await ProbeClient.ConnectAsync(machine.Vmm.ConnectAgentAsync, cancellationToken));
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    private async Task BootAsync(MachineShape shape, CancellationToken cancellationToken)
    {
        var disk = Path.Combine(_directory, "disk");
        await using (var empty = new FileStream(disk, FileMode.CreateNew))
            empty.SetLength(shape.DiskBytes);
        File.SetUnixFileMode(disk, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var image = await Task.Run(() => Host.Driver.PlaceImage(disk), cancellationToken);
        var memory = MemoryFile.Create("probe", shape.MemoryBytes);
        try
        {
            byte[] state;
            DiskStack frozen;
            await using (var machine = await Task.Run(() => Host.StartBooting(shape, memory, new DiskStack(image, []), new BootSource(ProbeImage.Path, "", ""), network: false), cancellationToken))
            {
                await using (var probe = await ProbeClient.ConnectAsync(machine.Vmm.ConnectAgentAsync, cancellationToken))
                    await probe.IdentifyAsync(cancellationToken);
                state = await Task.Run(() => Freeze(machine.Vmm), CancellationToken.None);
                frozen = machine.Disk.With(machine.ActiveLayer);
                Host.Layers.Acquire(frozen.Frozen);
            }
            memory.Seal();
            Generation = new Generation(new GenerationRecord
            {
                Id = "probe",
                Shape = shape,
                BaseImage = image,
                Layers = frozen.Frozen.Select(layer => layer.ToString()).ToList(),
                Vmm = Host.Driver.Facts.Fingerprint,
                Persistent = false,
            }, memory, state, Host.Layers);
            Host.Layers.Release(frozen.Frozen);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private static byte[] Freeze(IVmm vmm)
    {
        var deadline = Deadline.In(CallLimit);
        vmm.PrepareSave(deadline);
        vmm.Pause(deadline);
        vmm.SaveDeviceState(deadline);
        return vmm.TakeDeviceState(deadline);
    }
}

/// <summary>A captured instant of a probe machine.</summary>
public sealed class ProbeCapture : IDisposable
{
    internal ProbeCapture(Capture capture, TimeSpan pause) => (Capture, Pause) = (capture, pause);

    /// <summary>How long its source stood still.</summary>
    public TimeSpan Pause { get; }

    /// <summary>Where the pages of the delta belong.</summary>
    public IReadOnlyList<GuestMemoryRegion> Regions { get; init; } = [];

    public long DeltaBytes => Capture.DeltaBytes;

    public Capture Capture { get; }

    public void Dispose() => Capture.Dispose();
}
