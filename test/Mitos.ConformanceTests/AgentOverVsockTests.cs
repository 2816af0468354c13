using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Mitos.Engine;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Machines;
using Mitos.Engine.Templates;
using Mitos.Engine.Templates.Recipes;
using Mitos.Engine.Vmm;
using Mitos.Probe;
using Mitos.Probe.Tests.Vmm;
using Mitos.Probe.Tests.Vsock;

namespace Mitos.ConformanceTests;

/// <summary>
/// The agent as it runs under Firecracker: Debian's kernel and its vsock driver, no virtio-serial port, and a transport that is reset
/// again and again, as each snapshot does.
/// </summary>
public sealed class AgentOverVsockTests : IDisposable
{
    private const int Resets = 12, EventQueue = 2;
    private readonly string _directory = Directory.CreateTempSubdirectory("mitos-vsock-agent-").FullName;

    [Fact(Timeout = Firecracker.FakeRig.LimitMs)]
    public async Task Its_session_survives_each_reset_of_the_transport_and_nothing_is_lost()
    {
        var token = TestContext.Current.CancellationToken;
        using var vsock = new VsockHost(256 << 10);
        await using var machine = new Qemu(await OptionsAsync(vsock.DevicePath, token));
        await using var agent = new AgentClient(token => vsock.Failure is { } failure ? throw new VmmException($"its vsock device failed: {failure.Message}") : ProbeEndpoint.Vsock(vsock.HostPath)(token), "the guest");
        await agent.ConnectAsync(token);
        await agent.HandshakeAsync(MachineAgent.Identity("vsock", "vsock", "", 0, "", new Dictionary<string, string>()), token);
        using var events = await EventsAsync(machine);

        await using var counting = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; read last; echo $last; exit 7"], Stdin = true }, token);
        var output = ReadAsync(counting, token);
        var content = RandomNumberGenerator.GetBytes(1 << 20);
        var upload = agent.Files.WriteAsync("/tmp/upload", new MemoryStream(content), 0, "root", token);
        for (var i = 0; i < Resets; i++)
        {
            await Task.Delay(50, token); // some traffic in between, though the test does not depend on how much
            await events.ResetAsync(vsock);
            await agent.PingAsync(token); // by a new stream
        }
        await upload;
        await counting.WriteStdinAsync("the end\n"u8.ToArray(), token);
        Assert.Equal(string.Concat(Enumerable.Range(1, 3000).Select(i => $"line {i}\n")) + "the end\n", await output);
        Assert.Equal(7, (await counting.Exit).Code);
        var back = new MemoryStream();
        await agent.Files.ReadAsync("/tmp/upload", back, "root", token);
        Assert.Equal(content, back.ToArray());
        Assert.True(vsock.Seen[VsockOperation.Response] > Resets, $"{vsock.Seen[VsockOperation.Response]} streams for {Resets} resets");
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static async Task<string> ReadAsync(AgentProcess process, CancellationToken token)
    {
        var said = new MemoryStream();
        await foreach (var next in process.ReadAsync(token))
            said.Write(next.Bytes.Span);
        return Encoding.UTF8.GetString(said.ToArray());
    }

    private async Task<QemuOptions> OptionsAsync(string vsock, CancellationToken token)
    {
        var options = new EngineOptions { GuestDirectory = Environment.GetEnvironmentVariable("MITOS_GUEST_DIR") ?? AppContext.BaseDirectory };
        var kernel = await new KernelPackage(options.CacheDirectory).GetAsync(_ => { }, token);
        var initramfs = Path.Combine(_directory, "initramfs");
        Initramfs.Write(initramfs, Path.Combine(options.GuestDirectory, "mitos-guest"), [.. kernel.ModulesFor(AgentTransport.Vsock)]);
        return new QemuOptions
        {
            MemoryMiB = 512,
            Legacy = false, // vsock devices exist only in the modern layout
            AgentPort = false,
            VsockSocket = vsock,
            Image = kernel.Image,
            Initramfs = initramfs,
            CommandLine = "reboot=t random.trust_cpu=on tsc=reliable tsc_early_khz=2000000 mitigations=off mitos.root=/dev/vda",
            Disk = await new RootFileSystem(options.CacheDirectory, BuiltInTemplates.Base).GetAsync(_ => { }, token),
            ScratchDisk = true,
        };
    }

    private static async Task<EventRing> EventsAsync(Qemu machine)
    {
        using var monitor = await machine.ConnectMonitorAsync();
        var devices = (await monitor.RunAsync("x-query-virtio"))!.AsArray();
        var path = (string)devices.Single(device => ((string)device!["name"]!).Contains("vsock", StringComparison.Ordinal))!["path"]!;
        var queue = (await monitor.RunAsync("x-query-virtio-queue-status", new JsonObject { ["path"] = path, ["queue"] = EventQueue }))!;
        return new EventRing(machine, (int)queue["vring-num"]!, (long)queue["vring-avail"]!, (long)queue["vring-used"]!);
    }

    /// <summary>The third queue of the device, which QEMU leaves alone while a machine runs: each buffer that is given back in it is an event, of zeros: a reset.</summary>
    private sealed class EventRing(Qemu machine, int size, long available, long used) : IDisposable
    {
        private int _given;

        public async Task ResetAsync(VsockHost vsock)
        {
            while (BitConverter.ToUInt16(await machine.ReadMemoryAsync(available + 2, 2)) <= _given)
                await Task.Delay(1); // the driver gives the buffer of the last event again
            var buffer = BitConverter.ToUInt16(await machine.ReadMemoryAsync(available + 4 + (_given % size * 2), 2));
            await machine.WriteMemoryAsync(used + 4 + (_given % size * 8), [.. BitConverter.GetBytes((uint)buffer), .. BitConverter.GetBytes(4u)]);
            await machine.WriteMemoryAsync(used + 2, BitConverter.GetBytes((ushort)++_given));
            vsock.Reset();
        }

        public void Dispose() => Assert.Equal(Resets, _given);
    }
}
