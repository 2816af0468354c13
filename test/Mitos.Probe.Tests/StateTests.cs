using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mitos.Probe.Tests.Vmm;

namespace Mitos.Probe.Tests;

/// <summary>The probe stands what a fork does to it: its state is saved, and another process goes on with it.</summary>
public sealed class StateTests
{
    private const ulong First = 16 << 20, Second = 17 << 20;

    [Fact]
    public async Task Another_process_goes_on_where_it_was()
    {
        await using var source = new Qemu(new QemuOptions());
        await using var probe = await source.ConnectAsync();
        await probe.SetGenerationAsync(1, Limit.Token);
        await probe.StartInvariantAsync(First, Second, Limit.Token);
        var before = await probe.IdentifyAsync(Limit.Token);

        var (memory, state) = await SaveAsync(source);
        try
        {
            await using var child = new Qemu(new QemuOptions { Shell = true, MemoryFile = memory, Disk = source.Disk });
            await LoadAsync(child, state);
            await using var childProbe = await child.ConnectAsync();
            var facts = await childProbe.IdentifyAsync(Limit.Token);
            Assert.Equal((before.BootId, 1UL, before.MemoryBytes), (facts.BootId, facts.Generation, facts.MemoryBytes));
            Assert.True(facts.Requests > before.Requests);
            Assert.Equal(before.Connects + 1, facts.Connects);
            await childProbe.SetGenerationAsync(2, Limit.Token);
            var reports = (await childProbe.StopInvariantAsync(Limit.Token), await probe.StopInvariantAsync(Limit.Token));
            Assert.Equal((0UL, 0UL), (reports.Item1.Violations, reports.Item2.Violations));
            Assert.Equal(1UL, (await probe.IdentifyAsync(Limit.Token)).Generation);
            await childProbe.WriteDiskAsync(0, 0, new byte[512], Limit.Token);
        }
        finally
        {
            File.Delete(memory);
        }
    }

    [Fact]
    public async Task Memory_of_another_instant_than_the_processor_is_a_violation()
    {
        await using var source = new Qemu(new QemuOptions());
        await using var probe = await source.ConnectAsync();
        await probe.StartInvariantAsync(First, Second, Limit.Token);
        await probe.RunInvariantAsync(1_000_000);
        // Stopped between its check and its write it overwrites the words unseen: again.
        for (var attempt = 0; attempt < 20; attempt++)
        {
            var (memory, state) = await SaveAsync(source);
            try
            {
                await MakeOldAsync(memory);
                await using var child = new Qemu(new QemuOptions { Shell = true, MemoryFile = memory, Disk = source.Disk });
                await LoadAsync(child, state);
                await using var childProbe = await child.ConnectAsync();
                var report = await childProbe.StopInvariantAsync(Limit.Token);
                if (report.Violations == 0)
                    continue;
                Assert.Equal((1UL, 999_999UL, 999_999UL), (report.Violations, report.LastFirst, report.LastSecond));
                return;
            }
            finally
            {
                File.Delete(memory);
            }
        }
        Assert.Fail("Twenty children of two instants, and no violation.");
    }

    // Both pages, so that they agree with each other and only the register tells.
    private static async Task MakeOldAsync(string memory)
    {
        await using var file = new FileStream(memory, FileMode.Open);
        var old = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(old, 999_999);
        foreach (var page in new[] { First, Second })
        {
            file.Position = (long)page;
            file.Write(old);
        }
    }

    private static async Task<(string Memory, byte[] State)> SaveAsync(Qemu machine)
    {
        using var monitor = await machine.ConnectMonitorAsync();
        var state = Path.Combine(machine.Directory, "state");
        var memory = machine.MemoryFile + "-child";
        await monitor.RunAsync("stop");
        await monitor.RunAsync("xen-save-devices-state", new JsonObject { ["filename"] = state, ["live"] = false });
        File.Copy(machine.MemoryFile, memory);
        await monitor.RunAsync("cont");
        return (memory, await File.ReadAllBytesAsync(state));
    }

    private static async Task LoadAsync(Qemu machine, byte[] state)
    {
        using var monitor = await machine.ConnectMonitorAsync();
        var path = Path.Combine(machine.Directory, "incoming");
        await monitor.RunAsync("migrate-incoming", new JsonObject { ["uri"] = "unix:" + path });
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        await socket.SendAsync(state);
        socket.Shutdown(SocketShutdown.Send);
        var limit = Limit.Token;
        string? status;
        while ((status = (string?)(await monitor.RunAsync("query-migrate"))?["status"]) != "completed")
        {
            Assert.NotEqual("failed", status);
            await Task.Delay(5, limit);
        }
    }
}
