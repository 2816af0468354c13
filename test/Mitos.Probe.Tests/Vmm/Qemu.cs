using System.Diagnostics;
using System.Net.Sockets;

namespace Mitos.Probe.Tests.Vmm;

/// <summary>
/// One QEMU with the devices of our driver (QemuCommandLine.cs) and memory in a file, so that a test sees the same bytes as the
/// guest. It ends with the test.
/// </summary>
public sealed class Qemu : IAsyncDisposable
{
    private readonly Process _process;

    public Qemu(QemuOptions options)
    {
        Options = options;
        Directory = System.IO.Directory.CreateTempSubdirectory("mitos-probe-").FullName;
        MemoryFile = options.MemoryFile ?? Path.Combine("/dev/shm", Path.GetFileName(Directory));
        if (options.MemoryFile is null)
            Create(MemoryFile, options.MemoryMiB << 20);
        Disk = options.Disk ?? Path.Combine(Directory, "disk");
        if (options.Disk is null)
            Create(Disk, 1 << 20);
        if (options.Initramfs is null)
            Create(Path.Combine(Directory, "initramfs"), 0);
        _process = Process.Start(new ProcessStartInfo("qemu-system-x86_64", Arguments()) { RedirectStandardError = true })!;
        Messages = _process.StandardError.ReadToEndAsync();
    }

    public QemuOptions Options { get; }

    public string Directory { get; }

    /// <summary>The guest's memory, holes left out.</summary>
    public string MemoryFile { get; }

    public string Disk { get; }

    public string AgentSocket => Path.Combine(Directory, "agent");

    /// <summary>What QEMU itself wrote, once it has ended.</summary>
    public Task<string> Messages { get; }

    public Task Exited => _process.WaitForExitAsync();

    public string ReadConsole() => File.ReadAllText(Path.Combine(Directory, "console"));

    public Task<ProbeClient> ConnectAsync() => ConnectAsync(ProbeEndpoint.Socket(AgentSocket));

    /// <summary>A client; fails with QEMU's words when QEMU ends, and after a minute.</summary>
    public async Task<ProbeClient> ConnectAsync(Func<CancellationToken, ValueTask<Stream>> connect)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var client = ProbeClient.ConnectAsync(connect, limit.Token);
        if (await Task.WhenAny(client, Exited) != client && !client.IsCompleted)
        {
            await limit.CancelAsync();
            throw new InvalidOperationException($"QEMU ended: {await Messages}");
        }
        try
        {
            return await client;
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"The probe did not answer; its console says: {(Options.SerialSocket ? "(a socket)" : ReadConsole())}");
        }
    }

    /// <summary>The bytes of the agent's port, as soon as QEMU listens.</summary>
    public async Task<Stream> OpenPortAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (true)
        {
            try
            {
                return await ProbeEndpoint.Socket(AgentSocket)(limit.Token);
            }
            catch (SocketException)
            {
                await Task.Delay(2, limit.Token);
            }
        }
    }

    public Task<Qmp> ConnectMonitorAsync() => Qmp.ConnectAsync(Path.Combine(Directory, "monitor"));

    public async Task<byte[]> ReadMemoryAsync(long offset, int length)
    {
        await using var file = new FileStream(MemoryFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Position = offset;
        var bytes = new byte[length];
        await file.ReadExactlyAsync(bytes);
        return bytes;
    }

    public async Task WriteMemoryAsync(long offset, byte[] bytes)
    {
        await using var file = new FileStream(MemoryFile, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = offset;
        await file.WriteAsync(bytes);
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
        if (Options.MemoryFile is null)
            File.Delete(MemoryFile);
    }

    private static void Create(string path, long length)
    {
        using var file = File.Create(path);
        file.SetLength(length);
    }

    private List<string> Arguments()
    {
        List<string> arguments =
        [
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-global", "migration.send-configuration=off",
            "-global", $"virtio-mmio.force-legacy={(Options.Legacy ? "on" : "off")}",
            "-M", $"microvm,memory-backend=ram,rtc=on,isa-serial=on,acpi={(Options.Acpi ? "on" : "off")}",
            "-accel", Options.Kvm ? "kvm" : "tcg,tb-size=64", "-cpu", Options.Kvm ? "host,-arch-capabilities" : "max",
            "-m", $"{Options.MemoryMiB}",
            "-object", $"memory-backend-file,id=ram,size={Options.MemoryMiB}M,mem-path={MemoryFile},share={(Options.Shell ? "off" : "on")}",
            "-chardev", $"socket,id=monitor,path={Directory}/monitor,server=on,wait=off", "-mon", "chardev=monitor,mode=control",
            "-chardev", Options.SerialSocket ? $"socket,id=console,path={Directory}/serial,server=on,wait=off" : $"file,id=console,path={Directory}/console",
            "-serial", "chardev:console",
            "-netdev", "hubport,hubid=0,id=net", "-device", "virtio-net-device,netdev=net,mac=02:6d:69:74:6f:73",
            .. Options.ScratchDisk
                ? (string[])["-drive", $"if=none,id=disk,format=raw,snapshot=on,file={Disk}"]
                : ["-blockdev", $"driver=raw,node-name=disk,read-only={(Options.ReadOnlyDisk ? "on" : "off")},file.driver=file,file.filename={Disk},file.locking=off"],
            "-device", "virtio-blk-device,drive=disk,id=disk0,werror=report,rerror=report",
        ];
        if (Options.AgentPort)
        {
            arguments.AddRange(["-device", "virtio-serial-device", "-chardev", $"socket,id=agent,path={AgentSocket},server=on,wait=off",
                "-device", "virtserialport,chardev=agent,name=mitos.agent"]);
        }
        if (Options.VsockSocket is { } vsock)
            arguments.AddRange(["-chardev", $"socket,id=vsock,path={vsock}", "-device", "vhost-user-vsock-device,chardev=vsock"]);
        arguments.AddRange(Options.Shell
            ? ["-incoming", "defer"]
            : ["-kernel", Options.Image ?? ProbeImage.Path, "-initrd", Options.Initramfs ?? Path.Combine(Directory, "initramfs"), "-append", "console=ttyS0 panic=-1 " + Options.CommandLine]);
        return arguments;
    }
}

/// <summary>How a test wants its machine. The defaults are the driver's.</summary>
public sealed record QemuOptions
{
    public long MemoryMiB { get; init; } = 64;

    public bool Kvm { get; init; }

    /// <summary>virtio-mmio version 1, which QEMU gives if it is not told otherwise.</summary>
    public bool Legacy { get; init; } = true;

    /// <summary>Without ACPI QEMU names the devices on the command line.</summary>
    public bool Acpi { get; init; } = true;

    public bool AgentPort { get; init; } = true;

    /// <summary>The UART at a socket instead of in a file.</summary>
    public bool SerialSocket { get; init; }

    public bool ReadOnlyDisk { get; init; }

    /// <summary>Where a vhost-user backend for vsock listens.</summary>
    public string? VsockSocket { get; init; }

    /// <summary>Waits for a device state instead of booting; its memory is a private mapping.</summary>
    public bool Shell { get; init; }

    public string? Image { get; init; }

    /// <summary>For a guest that is not the probe.</summary>
    public string? Initramfs { get; init; }

    /// <summary>Added to the kernel's command line.</summary>
    public string CommandLine { get; init; } = "";

    /// <summary>What the guest writes to its disk is forgotten.</summary>
    public bool ScratchDisk { get; init; }

    public string? MemoryFile { get; init; }

    public string? Disk { get; init; }
}
