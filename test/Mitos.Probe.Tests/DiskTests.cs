using Mitos.Probe.Tests.Vmm;
using Mitos.Protocol.Messages;

namespace Mitos.Probe.Tests;

public sealed class DiskTests
{
    [Fact]
    public async Task What_is_written_is_in_the_file_and_can_be_read()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var bytes = new byte[4096];
        new Random(2).NextBytes(bytes);
        await probe.WriteDiskAsync(0, 100, bytes, Limit.Token);
        await probe.WriteDiskAsync(0, 2047, bytes[..512], Limit.Token);
        await probe.FlushDiskAsync(0, Limit.Token);
        Assert.Equal(bytes, await probe.ReadDiskAsync(0, 100, 4096, Limit.Token));
        var file = await File.ReadAllBytesAsync(machine.Disk);
        Assert.Equal(bytes, file[(100 * 512)..((100 * 512) + 4096)]);
        Assert.Equal(bytes[..512], file[(2047 * 512)..]);
        Assert.Equal(new byte[512], await probe.ReadDiskAsync(0, 99, 512, Limit.Token));
    }

    [Fact]
    public async Task What_a_disk_cannot_do_is_refused()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await RefusesAsync(AgentErrorCode.NotFound, probe.ReadDiskAsync(1, 0, 512, Limit.Token));
        await RefusesAsync(AgentErrorCode.NotFound, probe.FlushDiskAsync(-1, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 2048, 512, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 2047, 1024, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, ulong.MaxValue, 512, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 0, 0, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 0, 4608, Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.WriteDiskAsync(0, 0, new byte[511], Limit.Token));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.WriteDiskAsync(0, 0, new byte[4608], Limit.Token));
    }

    [Fact]
    public async Task A_read_only_disk_is_not_written()
    {
        await using var machine = new Qemu(new QemuOptions { ReadOnlyDisk = true });
        await using var probe = await machine.ConnectAsync();
        Assert.True((await probe.IdentifyAsync(Limit.Token)).Disks[0].IsReadOnly);
        await RefusesAsync(AgentErrorCode.FailedPrecondition, probe.WriteDiskAsync(0, 0, new byte[512], Limit.Token));
    }

    private static async Task RefusesAsync(AgentErrorCode code, Task request) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<ProbeException>(() => request)).Code);
}
