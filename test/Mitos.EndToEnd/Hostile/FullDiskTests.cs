using System.Globalization;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Hostile;

/// <summary>A daemon whose state is on a file system of its own, which is made smaller to be full.</summary>
public sealed class SmallDiskDaemon : Daemon
{
    private const string Roomy = "4G";

    public override async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(StateDirectory);
        (await Runner.RunAsync("/bin/mount", ["-t", "tmpfs", "-o", $"size={Roomy},mode=700", "mitos-e2e", StateDirectory])).Ok();
        await base.InitializeAsync();
    }

    /// <summary>Leaves that much room, by the size alone: memory is not used up for it.</summary>
    public async Task LeaveAsync(long bytes)
    {
        var disk = new DriveInfo(StateDirectory);
        var size = disk.TotalSize - disk.TotalFreeSpace + bytes;
        (await Runner.RunAsync("/bin/mount", ["-o", $"remount,size={size.ToString(CultureInfo.InvariantCulture)}", StateDirectory])).Ok();
    }

    public async Task MakeRoomAsync() => (await Runner.RunAsync("/bin/mount", ["-o", $"remount,size={Roomy}", StateDirectory])).Ok();

    public override async ValueTask DisposeAsync()
    {
        await MakeRoomAsync();
        await base.DisposeAsync();
    }

    protected override async ValueTask DeleteStateAsync()
    {
        (await Runner.RunAsync("/bin/umount", [StateDirectory])).Ok();
        Directory.Delete(StateDirectory);
    }
}

public sealed class FullDiskTests(SmallDiskDaemon daemon) : IClassFixture<SmallDiskDaemon>
{
    [Fact]
    public async Task Create_and_fork_are_refused_naming_disk_and_remedy_and_sandboxes_go_on()
    {
        var id = await daemon.CreateAsync();
        await daemon.LeaveAsync(600L << 20); // less than the 1 GiB that stays reserved
        foreach (var command in new[] { new[] { "create" }, ["fork", id], ["fork", id, "--count", "8"] })
            (await daemon.MitosAsync(command)).Refused(5, $"of disk in {daemon.StateDirectory}", "Remove sandboxes");
        Assert.Equal("kept", await daemon.ShellAsync(id, "echo kept >/root/kept; sync; cat /root/kept"));
        await daemon.MakeRoomAsync();
        Assert.Equal("kept", await daemon.ShellAsync(Assert.Single(await daemon.ForkAsync(id, 1)), "cat /root/kept"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    [Fact]
    public async Task A_disk_with_no_room_at_all_is_an_error_inside_the_guest_that_writes_and_nowhere_else()
    {
        var writer = await daemon.CreateAsync();
        var other = Assert.Single(await daemon.ForkAsync(writer, 1));
        var doomed = await daemon.CreateAsync();
        await daemon.LeaveAsync(4L << 20);
        var wrote = await daemon.MitosAsync("exec", "-u", "root", writer, "--", "dd", "if=/dev/urandom", "of=/root/much", "bs=1M", "count=32", "conv=fsync");
        Assert.Equal(1, wrote.Code);
        Assert.Contains("Input/output error", wrote.Error, StringComparison.Ordinal);
        Assert.Equal("well", await daemon.ShellAsync(other, "echo well"));
        (await daemon.MitosAsync("create")).Refused(5, "of disk");
        // a machine that ends now is a stopped sandbox all the same, and can be removed
        (await daemon.Runner.RunAsync("/bin/kill", ["-KILL", $"{(await daemon.InspectAsync(doomed)).VmmPid}"])).Ok();
        while ((await daemon.InspectAsync(doomed)).State == "running")
            await Task.Delay(50, TestContext.Current.CancellationToken);
        (await daemon.MitosAsync("rm", doomed)).Ok();
        Assert.Equal("well", await daemon.ShellAsync(other, "echo well"));
        // a crash on a full disk: the next daemon starts and adopts
        await daemon.KillAsync();
        await daemon.StartAsync();
        Assert.Equal("well", await daemon.ShellAsync(other, "echo well"));
        await daemon.MakeRoomAsync();
        Assert.Equal("well", await daemon.ShellAsync(Assert.Single(await daemon.ForkAsync(other, 1)), "echo well"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }
}
