using Mitos.Probe.Tests.Vmm;
using Mitos.Protocol.Messages;

namespace Mitos.Probe.Tests;

public sealed class DiskTests
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task What_is_written_is_in_the_file_and_can_be_read()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        var bytes = new byte[4096];
        new Random(2).NextBytes(bytes);
        await probe.WriteDiskAsync(0, 100, bytes, Never);
        await probe.WriteDiskAsync(0, 2047, bytes[..512], Never);
        await probe.FlushDiskAsync(0, Never);
        Assert.Equal(bytes, await probe.ReadDiskAsync(0, 100, 4096, Never));
        var file = await File.ReadAllBytesAsync(machine.Disk);
        Assert.Equal(bytes, file[(100 * 512)..((100 * 512) + 4096)]);
        Assert.Equal(bytes[..512], file[(2047 * 512)..]);
        Assert.Equal(new byte[512], await probe.ReadDiskAsync(0, 99, 512, Never));
    }

    [Fact]
    public async Task What_a_disk_cannot_do_is_refused()
    {
        await using var machine = new Qemu(new QemuOptions());
        await using var probe = await machine.ConnectAsync();
        await RefusesAsync(AgentErrorCode.NotFound, probe.ReadDiskAsync(1, 0, 512, Never));
        await RefusesAsync(AgentErrorCode.NotFound, probe.FlushDiskAsync(-1, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 2048, 512, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 2047, 1024, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, ulong.MaxValue, 512, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 0, 0, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.ReadDiskAsync(0, 0, 4608, Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.WriteDiskAsync(0, 0, new byte[511], Never));
        await RefusesAsync(AgentErrorCode.InvalidArgument, probe.WriteDiskAsync(0, 0, new byte[4608], Never));
    }

    [Fact]
    public async Task A_read_only_disk_is_not_written()
    {
        await using var machine = new Qemu(new QemuOptions { ReadOnlyDisk = true });
        await using var probe = await machine.ConnectAsync();
        Assert.True((await probe.IdentifyAsync(Never)).Disks[0].IsReadOnly);
        await RefusesAsync(AgentErrorCode.FailedPrecondition, probe.WriteDiskAsync(0, 0, new byte[512], Never));
    }

    private static async Task RefusesAsync(AgentErrorCode code, Task request) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<ProbeException>(() => request)).Code);
}
