using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Hostile;

/// <summary>What a guest does to itself must not be felt by its siblings, nor by the daemon.</summary>
public sealed class HostileGuestTests(Daemon daemon) : IClassFixture<Daemon>
{
    private const long Bound = 64L << 20;

    [Fact]
    public async Task A_fork_bomb_and_a_full_disk_in_one_guest_leave_siblings_and_daemon_well()
    {
        var sibling = await daemon.CreateAsync();
        var victim = Assert.Single(await daemon.ForkAsync(sibling, 1));
        Procfs.ResetPeakMemory(daemon.Pid);
        var before = Procfs.PeakMemory(daemon.Pid);
        // the disk of a guest has 8 GiB: filled by reservation, so that this host's is not
        await daemon.ShellAsync(victim, "fallocate -l 100G /fill 2>/dev/null; until ! fallocate -l 64M /fill.$((n=n+1)) 2>/dev/null; do :; done; ! head -c 1M /dev/zero >/more 2>/dev/null");
        using var bomb = daemon.Runner.Start(Programs.Cli, ["exec", victim, "--", "bash", "-c", "echo lit; b() { b | b & b; }; b"]);
        Assert.Equal("lit", await bomb.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        for (var i = 0; i < 5; i++)
            Assert.Equal("well", await daemon.ShellAsync(sibling, "echo well"));
        var child = Assert.Single(await daemon.ForkAsync(sibling, 1));
        Assert.Equal("well", await daemon.ShellAsync(child, "echo well"));
        var grown = Procfs.PeakMemory(daemon.Pid) - before;
        Assert.True(grown < Bound, $"the daemon grew by {grown >> 20} MiB");
        (await daemon.MitosAsync("rm", victim)).Ok(); // also one that answers nobody
        bomb.Kill();
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }

    [Fact]
    public async Task A_command_that_prints_without_end_to_nobody_takes_no_memory_of_the_daemon()
    {
        var id = await daemon.CreateAsync();
        await daemon.ShellAsync(id, "true");
        Procfs.ResetPeakMemory(daemon.Pid);
        var before = Procfs.PeakMemory(daemon.Pid);
        var printers = Enumerable.Range(0, 3).Select(_ => daemon.Runner.Start(Programs.Cli, ["exec", id, "--", "bash", "-c", "while :; do head -c 1M /dev/zero; echo >>/tmp/printed; done"])).ToList();
        try
        {
            // until they stand still, for all buffers on the way are full: then more time takes no more memory
            await daemon.ShellAsync(id, "a=; until [ \"$a\" = \"$(cat /tmp/printed 2>/dev/null | wc -l)\" ]; do a=$(cat /tmp/printed 2>/dev/null | wc -l); sleep 3; done");
            var grown = Procfs.PeakMemory(daemon.Pid) - before;
            Assert.True(grown < Bound, $"the daemon grew by {grown >> 20} MiB");
            Assert.Equal("well", await daemon.ShellAsync(id, "echo well"));
            foreach (var printer in printers)
                Assert.True(Procfs.PeakMemory(printer.Id) < 2 * Bound, "mitos grew without bound");
        }
        finally
        {
            printers.ForEach(printer => printer.Kill());
        }
        await daemon.ShellAsync(id, "while pgrep -f /tmp/printed | grep -qv $$; do sleep 0.2; done"); // they are hung up on
        (await daemon.MitosAsync("rm", id)).Ok();
    }

    [Fact]
    public async Task A_console_that_is_written_to_without_end_is_bounded()
    {
        var id = await daemon.CreateAsync();
        Procfs.ResetPeakMemory(daemon.Pid);
        var before = Procfs.PeakMemory(daemon.Pid);
        using var printer = daemon.Runner.Start(Programs.Cli, ["exec", "-u", "root", id, "--", "bash", "-c", "echo go; yes console >/dev/console"]);
        Assert.Equal("go", await printer.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        while ((await daemon.MitosAsync("logs", id)).Ok().Output.Length == 0)
        {
        }
        for (var i = 0; i < 10; i++)
            Assert.InRange((await daemon.MitosAsync("logs", id)).Ok().Output.Length, 0, 1 << 20);
        Assert.True(Procfs.PeakMemory(daemon.Pid) - before < Bound);
        printer.Kill();
        (await daemon.MitosAsync("rm", id)).Ok();
    }

    [Fact]
    public async Task A_guest_may_use_all_its_memory_and_so_may_its_child()
    {
        var id = await daemon.CreateAsync();
        await daemon.ShellAsync(id, "mount -o remount,size=440M /dev/shm && head -c 400M /dev/urandom >/dev/shm/much && sync");
        var sum = await daemon.ShellAsync(id, "sha256sum </dev/shm/much");
        var child = Assert.Single(await daemon.ForkAsync(id, 1));
        Assert.Equal(sum, await daemon.ShellAsync(child, "sha256sum </dev/shm/much"));
        await daemon.ShellAsync(child, "head -c 400M /dev/urandom >/dev/shm/much");
        Assert.Equal(sum, await daemon.ShellAsync(id, "sha256sum </dev/shm/much"));
        (await daemon.MitosAsync("rm", "--all")).Ok();
    }
}
