using System.Security.Cryptography;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Commands;

[Collection(CommandsCollection.Name)]
public sealed class CopyTests(CommandsDaemon daemon) : IDisposable
{
    private readonly string _here = Directory.CreateTempSubdirectory("mitos-e2e-cp-").FullName;

    public void Dispose() => Directory.Delete(_here, recursive: true);

    [Fact]
    public async Task A_file_goes_in_and_comes_out_with_every_byte_and_its_mode()
    {
        var bytes = RandomNumberGenerator.GetBytes((1 << 20) + 7);
        var (source, back) = (Path.Combine(_here, "sourcé file"), Path.Combine(_here, "back"));
        await File.WriteAllBytesAsync(source, bytes, TestContext.Current.CancellationToken);
        File.SetUnixFileMode(source, (UnixFileMode)0b111_101_000);
        (await daemon.MitosAsync("cp", source, $"{daemon.Shared}:/home/user/new/place")).Ok();
        Assert.Equal("750 user", await daemon.ShellAsync(daemon.Shared, "stat -c '%a %U' /home/user/new/place"));
        (await daemon.MitosAsync("cp", "shared:new/place", back)).Ok(); // relative: to the user's home
        Assert.Equal(bytes, await File.ReadAllBytesAsync(back, TestContext.Current.CancellationToken));
        // into directories, under its own name
        (await daemon.MitosAsync("cp", source, "shared:/tmp")).Ok();
        Assert.Equal($"{bytes.Length}", await daemon.ShellAsync(daemon.Shared, "stat -c %s '/tmp/sourcé file'"));
        (await daemon.MitosAsync("cp", "shared:/etc/os-release", _here)).Ok();
        Assert.Contains("Debian", await File.ReadAllTextAsync(Path.Combine(_here, "os-release"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_goes_in_and_comes_out_with_links_modes_and_empty_parts()
    {
        var tree = Path.Combine(_here, "tree");
        (await daemon.Runner.RunAsync("/bin/bash", ["-c", $"mkdir -p {tree}/a/b {tree}/empty && echo x >{tree}/a/b/x && ln -s b/x {tree}/a/link && printf '#!/bin/sh\\necho ran' >{tree}/run && chmod 755 {tree}/run && : >{tree}/nothing"])).Ok();
        (await daemon.MitosAsync("cp", tree, "shared:/home/user/tree")).Ok();
        Assert.Equal("x ran link empty", await daemon.ShellAsync(daemon.Shared, "cd /home/user/tree && echo $(cat a/link) $(./run) $([ -L a/link ] && echo link) $([ -d empty ] && echo empty)"));
        (await daemon.MitosAsync("cp", "shared:/home/user/tree", Path.Combine(_here, "back"))).Ok();
        (await daemon.Runner.RunAsync("/usr/bin/diff", ["-r", "--no-dereference", tree, Path.Combine(_here, "back")])).Ok();
        Assert.Equal("b/x", new FileInfo(Path.Combine(_here, "back/a/link")).LinkTarget);
        Assert.Equal("", await daemon.ShellAsync(daemon.Shared, "ls /var/tmp")); // no archive stays
    }

    [Fact]
    public async Task Two_sparse_gibibytes_come_out_and_the_daemon_stays_small()
    {
        const long Size = 2L << 30;
        await daemon.ShellAsync(daemon.Shared, $"truncate -s {Size} /tmp/big && printf end | dd of=/tmp/big bs=1 seek={Size - 3} conv=notrunc status=none");
        Procfs.ResetPeakMemory(daemon.Pid);
        var before = Procfs.PeakMemory(daemon.Pid);
        // read as a stream: this host's disk is not what is tested
        using var mitos = daemon.Runner.Start(Programs.Cli, ["cp", "shared:/tmp/big", Path.Combine(_here, "big")]);
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, mitos.ExitCode);
        var grown = Procfs.PeakMemory(daemon.Pid) - before;
        Assert.True(grown < 64L << 20, $"the daemon grew by {grown >> 20} MiB");
        await using var big = File.OpenRead(Path.Combine(_here, "big"));
        Assert.Equal(Size, big.Length);
        big.Position = Size - 3;
        var end = new byte[3];
        await big.ReadExactlyAsync(end, TestContext.Current.CancellationToken);
        Assert.Equal("end"u8, end);
        await daemon.ShellAsync(daemon.Shared, "rm /tmp/big");
    }

    [Fact]
    public async Task What_cannot_be_copied_is_refused_and_nothing_is_lost_or_left()
    {
        var mine = Path.Combine(_here, "mine");
        await File.WriteAllTextAsync(mine, "mine", TestContext.Current.CancellationToken);
        (await daemon.MitosAsync("cp", "shared:/no/such", mine)).Refused(3, "/no/such");
        Assert.Equal("mine", await File.ReadAllTextAsync(mine, TestContext.Current.CancellationToken));
        (await daemon.MitosAsync("cp", Path.Combine(_here, "none"), "shared:/tmp/none")).Refused(1, "none");
        (await daemon.MitosAsync("cp", mine, "shared:/proc/version")).Refused(3, "/proc/version");
        (await daemon.MitosAsync("cp", mine, "shared:/etc/mine")).Refused(4, "/etc");
        (await daemon.MitosAsync("cp", mine, mine)).Refused(2, "ID:PATH");
        (await daemon.MitosAsync("cp", mine, "never-there:/tmp/x")).Refused(3, "never-there");
        (await daemon.MitosAsync("cp", "shared:/etc/hosts", "/no/such/place/x")).Refused(1, "/no/such/place");
        Assert.Equal(["mine"], Directory.EnumerateFileSystemEntries(_here).Select(path => Path.GetFileName(path)));
    }

    [Fact]
    public async Task A_hostile_archive_writes_nothing_outside_of_the_target()
    {
        // tar is the guest's: one that lies must not matter
        var child = (await daemon.ForkAsync(daemon.Shared, 1))[0];
        await daemon.ShellAsync(child, "mkdir /tmp/d && cd /tmp && python3 -c 'import tarfile,io; t=tarfile.open(\"/root/evil.tar\",\"w\"); i=tarfile.TarInfo(\"../escaped\"); i.size=1; t.addfile(i, io.BytesIO(b\"x\")); t.close()' && chmod 755 /root && mv /usr/bin/tar /usr/bin/tar.real && printf '#!/bin/sh\\nexec cat /root/evil.tar\\n' >/usr/bin/tar && chmod 755 /usr/bin/tar");
        var run = await daemon.MitosAsync("cp", $"{child}:/tmp/d", Path.Combine(_here, "inside"));
        run.Refused(1, "outside");
        Assert.False(File.Exists(Path.Combine(_here, "escaped")));
        (await daemon.MitosAsync("rm", child)).Ok();
    }
}
