using System.Security.Cryptography;
using Mitos.Cli.Tests.Hosting;

namespace Mitos.Cli.Tests.Commands;

/// <summary>cp.</summary>
public sealed class CopyTests(MitosFixture fixture) : IAsyncLifetime
{
    private readonly Installation _mitos = fixture.Mitos;
    private readonly string _here = Directory.CreateTempSubdirectory("mitos-e2e-").FullName;

    public async ValueTask InitializeAsync() => await _mitos.CreateAsync("--name", "dev");

    public async ValueTask DisposeAsync()
    {
        await _mitos.RemoveAllAsync();
        Directory.Delete(_here, recursive: true);
    }

    [Fact]
    public async Task A_file_goes_in_and_comes_out_with_its_bytes_and_mode()
    {
        var bytes = RandomNumberGenerator.GetBytes(300_001);
        File.WriteAllBytes($"{_here}/a file", bytes);
        File.SetUnixFileMode($"{_here}/a file", (UnixFileMode)0b111_101_000);
        (await _mitos.RunAsync("cp", $"{_here}/a file", "dev:new/directory/file")).Ok();
        Assert.Equal("750 user 300001", await _mitos.InAsync("dev", "stat -c '%a %U %s' /home/user/new/directory/file"));
        (await _mitos.RunAsync("cp", $"{_here}/a file", "dev:/tmp")).Ok(); // into a directory that is there
        (await _mitos.RunAsync("cp", "dev:/tmp/a file", $"{_here}/back")).Ok();
        Assert.Equal(bytes, File.ReadAllBytes($"{_here}/back"));
        Assert.Equal((UnixFileMode)0b111_101_000, File.GetUnixFileMode($"{_here}/back"));
        (await _mitos.RunAsync("cp", "dev:/proc/version", _here)).Ok(); // has no size beforehand
        Assert.Contains("Linux", File.ReadAllText($"{_here}/version"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_goes_in_and_comes_out_with_links_modes_and_empty_directories()
    {
        (await _mitos.ShellAsync($"mkdir -p {_here}/tree/empty {_here}/tree/deep/er && cd {_here}/tree && echo x > deep/er/x && chmod 711 deep/er/x && ln -s /etc/hostname absolute && ln -s deep/er/x relative")).Ok();
        (await _mitos.RunAsync("cp", $"{_here}/tree", "dev:/tmp/tree")).Ok();
        Assert.Equal("user x 711 /etc/hostname deep/er/x directory", await _mitos.InAsync("dev",
            "cd /tmp/tree && echo $(stat -c %U deep/er/x) $(cat relative) $(stat -c %a deep/er/x) $(readlink absolute) $(readlink relative) $(stat -c %F empty)"));
        (await _mitos.RunAsync("cp", "dev:/tmp/tree", $"{_here}/back")).Ok();
        Assert.Equal("", (await _mitos.ShellAsync($"diff -r --no-dereference {_here}/tree {_here}/back")).Ok());
        Assert.Equal("", (await _mitos.ShellAsync($"find {_here}/back -not -user root")).Ok());
    }

    [Fact]
    public async Task A_directory_that_is_there_gets_the_copy_as_an_entry_and_stays_as_it_is()
    {
        (await _mitos.ShellAsync($"mkdir -m 1777 {_here}/there && mkdir -m 700 {_here}/tree && echo x > {_here}/tree/x")).Ok();
        (await _mitos.RunAsync("cp", "-u", "root", $"{_here}/tree", "dev:/tmp")).Ok();
        (await _mitos.RunAsync("cp", "-u", "root", $"{_here}/tree", "dev:/tmp/")).Ok(); // again: over it
        Assert.Equal("1777 700 x", await _mitos.InAsync("dev", "echo $(stat -c %a /tmp /tmp/tree) $(cat /tmp/tree/x)"));
        (await _mitos.RunAsync("cp", "-u", "root", "dev:/tmp/tree", $"{_here}/there")).Ok();
        (await _mitos.RunAsync("cp", "-u", "root", "dev:/tmp/tree/.", $"{_here}/there")).Ok(); // its entries
        Assert.Equal("1777 700 x x", (await _mitos.ShellAsync($"cd {_here}/there && echo $(stat -c %a . tree) $(cat tree/x x)")).Ok());
    }

    [Fact]
    public async Task Nothing_that_has_power_here_comes_out_of_a_sandbox()
    {
        var name = new string('n', 150); // a long name belongs to what is left out, and goes with it
        await _mitos.InAsync("dev", $"mkdir -p /tmp/power/d && cd /tmp/power && mknod block b 1 0 && mkfifo {name} && echo x > setuid && chmod 6755 setuid && chmod 3777 d && echo y > y-{name} && ln setuid hard");
        var copied = await _mitos.RunAsync("cp", "-u", "root", "dev:/tmp/power", $"{_here}/power");
        copied.Ok();
        Assert.Contains("left out 2", copied.Errors, StringComparison.Ordinal);
        Assert.Equal($"./d 777 directory,./hard 755 regular file,./setuid 755 regular file,./y-{name} 644 regular file", (await _mitos.ShellAsync($"cd {_here}/power && find . -mindepth 1 -printf '%p\n' | sort | xargs stat -c '%n %a %F' | paste -sd,")).Ok());
        Assert.Equal($"x y 2", (await _mitos.ShellAsync($"cd {_here}/power && echo $(cat setuid y-{name}) $(stat -c %h hard)")).Ok());
    }

    [Fact]
    public async Task What_a_sandbox_sends_stays_in_the_directory_that_it_is_copied_to()
    {
        await _mitos.InAsync("dev", "mkdir -p /tmp/evil && mkdir /tmp/bin && printf '#!/bin/sh\\ncd /tmp/evil && exec /usr/bin/tar -cf - -P --transform s,inner,../../escaped, inner' > /usr/local/bin/tar && chmod +x /usr/local/bin/tar && echo mine > /tmp/evil/inner");
        Directory.CreateDirectory($"{_here}/a/b");
        (await _mitos.RunAsync("cp", "dev:/tmp/evil", $"{_here}/a/b")).Refused(4, "tar here");
        Assert.False(File.Exists($"{_here}/escaped"));
        Assert.Empty(Directory.GetFiles(_here, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task What_cannot_be_copied_is_named_and_leaves_nothing()
    {
        (await _mitos.RunAsync("cp", $"{_here}/missing", "dev:/tmp/x")).Refused(3, $"{_here}/missing");
        (await _mitos.RunAsync("cp", "dev:/missing", _here)).Refused(3, "/missing");
        (await _mitos.RunAsync("cp", "dev:/etc/shadow", _here)).Refused(4, "/etc/shadow", "-u root");
        (await _mitos.RunAsync("cp", "dev:/root", $"{_here}/root")).Refused(4, "/root", "-u root");
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:/etc/hostname")).Refused(4, "/etc/hostname", "-u root");
        (await _mitos.RunAsync("cp", _here, "dev:/etc/planted")).Refused(4, "/etc/planted", "-u root");
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:/etc/hostname/below")).Refused(4, "/etc/hostname/below");
        (await _mitos.RunAsync("cp", "dev:/etc/hostname", $"{_here}/no/such/directory/file")).Refused(3, "no/such/directory");
        (await _mitos.RunAsync("cp", "dev:/etc/hostname", "dev:/tmp/x")).Refused(2, "ID:PATH");
        (await _mitos.RunAsync("cp", "/etc/hostname", "/tmp/x")).Refused(2, "ID:PATH");
        (await _mitos.RunAsync("cp", "/etc/hostname", "dev:")).Refused(2, "dev:");
        (await _mitos.RunAsync("cp", "/etc/hostname", "dve:/tmp/x")).Refused(3, "Did you mean 'dev'?");
        (await _mitos.RunAsync("cp", "dve:/tmp/x", _here)).Refused(3, "Did you mean 'dev'?");
        Assert.All(Directory.GetFileSystemEntries(_here), path => Assert.Equal("root", Path.GetFileName(path)));
    }

    [Fact]
    public async Task Two_GiB_that_do_not_fit_are_refused_and_leave_the_sandbox_as_it_was()
    {
        using (var large = File.Create($"{_here}/large"))
            large.SetLength(2L << 30);
        await _mitos.InAsync("dev", "echo old > /home/user/target; chown user /home/user/target; fallocate -l $(($(df -B1 --output=avail / | tail -1) - (16 << 20))) /filler");
        var before = await _mitos.InAsync("dev", "sync; df -B1M --output=avail / | tail -1");
        (await _mitos.RunAsync("cp", $"{_here}/large", "dev:/home/user/target")).Refused(5, "No space left", "Free space");
        Assert.Equal("old", await _mitos.InAsync("dev", "cat /home/user/target"));
        Assert.Equal(before, await _mitos.InAsync("dev", "sync; df -B1M --output=avail / | tail -1"));
    }

    [Fact]
    public async Task A_host_disk_that_is_full_is_named_and_no_part_of_the_file_stays()
    {
        (await _mitos.ShellAsync($"mkdir {_here}/small && mount -t tmpfs -o size=1M none {_here}/small")).Ok();
        try
        {
            await _mitos.InAsync("dev", "head -c 3M /dev/urandom > /tmp/three");
            var refused = await _mitos.RunAsync("cp", "dev:/tmp/three", $"{_here}/small");
            refused.Refused(5, "No space left");
            Assert.Empty(Directory.GetFiles($"{_here}/small"));
        }
        finally
        {
            (await _mitos.ShellAsync($"umount {_here}/small")).Ok();
        }
    }
}
