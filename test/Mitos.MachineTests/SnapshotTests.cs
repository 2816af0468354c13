using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;

namespace Mitos.MachineTests;

public sealed class SnapshotTests(MachineFixture machines)
{
    private ISnapshots Snapshots => machines.Engine.Snapshots;

    private string Directory => Path.Combine(machines.Options.StateDirectory, "snapshots");

    [Fact]
    public async Task A_paused_sandbox_goes_on_where_it_was_with_its_processes_memory_disk_and_the_right_time()
    {
        await using var sandbox = await machines.CreateAsync();
        await using (await StartServerAsync(sandbox.Id))
        {
            await machines.RunAsync(sandbox.Id, "head -c 20M /dev/urandom > /dev/shm/m; sha256sum /dev/shm/m > /root/sum; sync");
            var before = machines.Sandboxes.TryGet(sandbox.Id)!;
            var paused = await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
            Assert.Equal((SandboxState.Paused, null), (paused.State, paused.VmmPid));
            Assert.False(System.IO.Directory.Exists($"/proc/{before.VmmPid}"));
            await Task.Delay(2000);
            var resumed = await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
            Assert.Equal((SandboxState.Running, before.AccessToken, before.CreatedAt), (resumed.State, resumed.AccessToken, resumed.CreatedAt));
        }
        Assert.Equal("live", await AskAsync(sandbox.Id));
        Assert.EndsWith("OK", await machines.RunAsync(sandbox.Id, "sha256sum -c /root/sum"), StringComparison.Ordinal);
        var clock = DateTimeOffset.FromUnixTimeSeconds(long.Parse(await machines.RunAsync(sandbox.Id, "date +%s"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(DateTimeOffset.UtcNow - clock, TimeSpan.FromSeconds(-2), TimeSpan.FromSeconds(2));
        await ((SnapshotService)Snapshots).ClearedAsync();
        Assert.Empty(System.IO.Directory.EnumerateDirectories(Directory));
    }

    [Fact]
    public async Task A_paused_sandbox_survives_the_engine_s_end_is_forked_and_paused_again()
    {
        await using var sandbox = await machines.CreateAsync("sleeper");
        await using (await StartServerAsync(sandbox.Id))
            await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        var elsewhere = await machines.Sandboxes.CreateAsync(new CreateSandboxSpec { Name = "sleeper", Scope = "elsewhere" }, CancellationToken.None);
        await machines.RestartAsync();
        Assert.Equal("sleeper", machines.Sandboxes.TryGet(elsewhere.Id)!.Name); // a name is unique in its scope
        Assert.Equal(ErrorCode.Conflict, Assert.Throws<SandboxException>(() => machines.Sandboxes.Find("sleeper")).Code);
        await machines.Sandboxes.RemoveAsync(elsewhere.Id, CancellationToken.None);
        Assert.Equal(SandboxState.Paused, machines.Sandboxes.Find("sleeper").State);
        var children = await machines.ForkAsync(sandbox.Id, 2);
        foreach (var child in children)
        {
            Assert.Equal("live", await AskAsync(child.Id));
            Assert.Equal(sandbox.Id, child.ForkedFrom);
            await machines.RunAsync(child.Id, "echo child > /root/d; sync");
        }
        Assert.Equal(SandboxState.Paused, machines.Sandboxes.TryGet(sandbox.Id)!.State);
        await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
        Assert.Equal("live", await AskAsync(sandbox.Id));
        Assert.Equal("no", await machines.RunAsync(sandbox.Id, "[ -e /root/d ] || echo no"));
        await Snapshots.PauseAsync(children[0].Id, CancellationToken.None);
        await Snapshots.ResumeAsync(children[0].Id, CancellationToken.None);
        Assert.Equal("child", await machines.RunAsync(children[0].Id, "cat /root/d"));
        foreach (var child in children)
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
    }

    [Fact]
    public async Task One_that_writes_to_its_disk_and_is_paused_often_keeps_a_shallow_disk()
    {
        await using var sandbox = await machines.CreateAsync();
        for (var i = 0; i < 10; i++)
        {
            await machines.RunAsync(sandbox.Id, $"echo {i} >> /root/log; sync");
            await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
            await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
        }
        var until = DateTime.UtcNow.AddSeconds(60);
        while (machines.Sandboxes.TryGet(sandbox.Id)!.DiskLayers > 4 && DateTime.UtcNow < until)
            await Task.Delay(100);
        Assert.True(machines.Sandboxes.TryGet(sandbox.Id)!.DiskLayers <= 4, "the layers were not flattened");
        await machines.RestartAsync();
        Assert.Equal("45", await machines.RunAsync(sandbox.Id, "awk '{s += $1} END {print s}' /root/log"));
    }

    // A large delta is promoted: the children map a generation that has no files.
    [Fact]
    public async Task A_child_of_a_promoted_generation_is_paused_exactly()
    {
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, "head -c 80M /dev/urandom > /dev/shm/m; sha256sum /dev/shm/m > /root/sum; sync");
        var children = await machines.ForkAsync(source.Id, 8);
        Assert.NotEqual(machines.Sandboxes.TryGet(source.Id)!.Generation, children[0].Generation);
        await machines.RunAsync(children[0].Id, "head -c 4M /dev/zero | dd of=/dev/shm/m conv=notrunc bs=1M seek=8 status=none; sha256sum /dev/shm/m > /root/sum; sync");
        foreach (var child in children.Take(2))
        {
            await Snapshots.PauseAsync(child.Id, CancellationToken.None);
            await Snapshots.ResumeAsync(child.Id, CancellationToken.None);
            Assert.EndsWith("OK", await machines.RunAsync(child.Id, "sha256sum -c /root/sum"), StringComparison.Ordinal);
        }
        foreach (var child in children)
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
    }

    [Fact]
    public async Task A_snapshot_outlives_its_source_and_makes_sandboxes_that_are_apart()
    {
        SnapshotInfo snapshot;
        await using (var source = await machines.CreateAsync())
        {
            await using var server = await StartServerAsync(source.Id);
            await machines.RunAsync(source.Id, "echo kept > /root/d; sync");
            snapshot = await Snapshots.CreateAsync(source.Id, "golden", CancellationToken.None);
            Assert.Equal("live", await AskAsync(source.Id));
            await machines.RunAsync(source.Id, "echo later > /root/d; sync");
            var taken = await Assert.ThrowsAsync<SandboxException>(() => Snapshots.CreateAsync(source.Id, "golden", CancellationToken.None));
            Assert.Equal(ErrorCode.Conflict, taken.Code);
        }
        await machines.RestartAsync();
        var used = await Assert.ThrowsAsync<SandboxException>(() => machines.Engine.Templates.RemoveAsync("base", CancellationToken.None));
        Assert.Equal(ErrorCode.FailedPrecondition, used.Code);
        var made = new List<SandboxInfo>();
        for (var i = 0; i < 2; i++)
            made.Add(await machines.Sandboxes.CreateAsync(new CreateSandboxSpec { Snapshot = i == 0 ? "golden" : snapshot.Id }, CancellationToken.None));
        var atOnce = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Record.Exception(() => Snapshots.Remove("golden")))));
        Assert.Single(atOnce, failure => failure is null);
        Assert.All(atOnce.OfType<Exception>(), failure => Assert.Equal(ErrorCode.NotFound, Assert.IsType<SandboxException>(failure).Code));
        foreach (var sandbox in made)
        {
            Assert.Equal(snapshot.Source, sandbox.ForkedFrom);
            Assert.Equal("live", await AskAsync(sandbox.Id));
            Assert.Equal("kept", await machines.RunAsync(sandbox.Id, $"cat /root/d; echo {sandbox.Id} > /root/d"));
        }
        Assert.NotEqual(made[0].AccessToken, made[1].AccessToken);
        foreach (var sandbox in made)
            await machines.Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
        Assert.Empty(Snapshots.List());
        Assert.Empty(System.IO.Directory.EnumerateDirectories(Directory));
        Assert.Equal(ErrorCode.NotFound, Assert.Throws<SandboxException>(() => Snapshots.Remove("golden")).Code);
    }

    [Fact]
    public async Task A_snapshot_that_was_damaged_on_disk_is_refused_and_its_sandbox_stays_paused()
    {
        await using var sandbox = await machines.CreateAsync();
        await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        var file = Path.Combine(Assert.Single(System.IO.Directory.GetDirectories(Directory)), "capture");
        var whole = File.ReadAllBytes(file);
        var bad = whole.ToArray();
        bad[bad.Length / 2] ^= 1;
        File.WriteAllBytes(file, bad);
        var error = await Assert.ThrowsAsync<SandboxException>(() => Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None));
        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Equal(SandboxState.Paused, machines.Sandboxes.TryGet(sandbox.Id)!.State);
        File.WriteAllBytes(file, whole);
        await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
        Assert.Equal("ok", await machines.RunAsync(sandbox.Id, "echo ok"));
    }

    [Fact]
    public async Task Where_the_disk_is_full_nothing_is_paused_and_nothing_left_behind()
    {
        await using var sandbox = await machines.CreateAsync();
        await using var server = await StartServerAsync(sandbox.Id);
        await machines.RunAsync(sandbox.Id, "head -c 8M /dev/urandom > /dev/shm/m");
        await HostAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", Directory);
        try
        {
            foreach (var taking in (Func<Task>[])[() => Snapshots.PauseAsync(sandbox.Id, CancellationToken.None), () => Snapshots.CreateAsync(sandbox.Id, "full", CancellationToken.None)])
            {
                var error = await Assert.ThrowsAsync<SandboxException>(taking);
                Assert.Equal(ErrorCode.Exhausted, error.Code);
                Assert.Empty(System.IO.Directory.EnumerateFileSystemEntries(Directory));
                Assert.Equal("live", await AskAsync(sandbox.Id));
            }
        }
        finally
        {
            await HostAsync("umount", Directory);
        }
        Snapshots.Remove((await Snapshots.CreateAsync(sandbox.Id, "full", CancellationToken.None)).Id);
    }

    [Fact]
    public async Task What_a_state_does_not_allow_is_refused_with_the_way_out()
    {
        await using var sandbox = await machines.CreateAsync();
        await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        var again = await Assert.ThrowsAsync<SandboxException>(() => Snapshots.PauseAsync(sandbox.Id, CancellationToken.None));
        Assert.Equal(ErrorCode.FailedPrecondition, again.Code);
        Assert.Contains("mitos resume", again.Remedy, StringComparison.Ordinal);
        Assert.Throws<SandboxException>(() => machines.Sandboxes.Agent(sandbox.Id));
        var snapshot = await Snapshots.CreateAsync(sandbox.Id, null, CancellationToken.None); // of what is on disk already
        Snapshots.Remove(snapshot.Id);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None)));
        Assert.Equal("ok", await machines.RunAsync(sandbox.Id, "echo ok"));
        await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        await machines.Sandboxes.RemoveAsync(sandbox.Id, CancellationToken.None);
        await ((SnapshotService)Snapshots).ClearedAsync();
        Assert.Empty(System.IO.Directory.EnumerateDirectories(Directory));
    }
    [Fact]
    public async Task One_that_is_paused_with_its_files_only_boots_anew_also_when_it_is_forked()
    {
        await using var sandbox = await machines.CreateAsync();
        await using (await StartServerAsync(sandbox.Id))
        {
            await machines.RunAsync(sandbox.Id, "head -c 3M /dev/urandom > /root/m; sha256sum /root/m > /root/sum"); // no sync: the pause does it
            var boot = await machines.RunAsync(sandbox.Id, "cat /proc/sys/kernel/random/boot_id");
            var paused = await Snapshots.PauseAsync(sandbox.Id, memory: false, CancellationToken.None);
            Assert.Equal((SandboxState.Paused, true), (paused.State, paused.FilesOnly));
            Assert.Equal([Path.Combine(System.IO.Directory.EnumerateDirectories(Directory).Single(), "snapshot.json")], System.IO.Directory.EnumerateFiles(Directory, "*", SearchOption.AllDirectories));
            await machines.RestartAsync();
            var children = await machines.ForkAsync(sandbox.Id, 2);
            var resumed = await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
            Assert.Equal((SandboxState.Running, false), (resumed.State, resumed.FilesOnly));
            foreach (var id in children.Select(child => child.Id).Append(sandbox.Id))
            {
                Assert.NotEqual(boot, await machines.RunAsync(id, "cat /proc/sys/kernel/random/boot_id"));
                Assert.EndsWith("OK", await machines.RunAsync(id, "sha256sum -c /root/sum"), StringComparison.Ordinal);
                Assert.Equal("none", await machines.RunAsync(id, "[ -e /run/ask ] || echo none")); // of the server nothing is left
            }
            // what has booted is a sandbox like any other: it is paused with its memory, and forked
            await machines.RunAsync(sandbox.Id, "head -c 5M /dev/urandom > /dev/shm/m; sha256sum /dev/shm/m > /root/sum");
            await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
            await Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None);
            children.AddRange(await machines.ForkAsync(sandbox.Id, 1));
            Assert.EndsWith("OK", await machines.RunAsync(children[^1].Id, "sha256sum -c /root/sum"), StringComparison.Ordinal);
            foreach (var child in children)
                await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
    }

    [Fact]
    public async Task One_that_is_resumed_without_its_memory_boots_and_keeps_its_files_also_where_that_memory_is_damaged()
    {
        await using var sandbox = await machines.CreateAsync();
        await using (await StartServerAsync(sandbox.Id))
        {
            await machines.RunAsync(sandbox.Id, "head -c 3M /dev/urandom > /root/m; sha256sum /root/m > /root/sum"); // in its memory only
            await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        }
        await RebootAsync();
        await machines.RunAsync(sandbox.Id, "sync");
        await Snapshots.PauseAsync(sandbox.Id, CancellationToken.None);
        var file = Path.Combine(Assert.Single(System.IO.Directory.GetDirectories(Directory)), "capture");
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Equal(ErrorCode.FailedPrecondition, (await Assert.ThrowsAsync<SandboxException>(() => Snapshots.ResumeAsync(sandbox.Id, CancellationToken.None))).Code);
        await RebootAsync();

        async Task RebootAsync()
        {
            Assert.Equal(SandboxState.Running, (await Snapshots.ResumeAsync(sandbox.Id, memory: false, CancellationToken.None)).State);
            Assert.EndsWith("OK", await machines.RunAsync(sandbox.Id, "sha256sum -c /root/sum"), StringComparison.Ordinal);
            Assert.Equal("none", await machines.RunAsync(sandbox.Id, "[ -e /run/ask ] || echo none")); // of the server nothing is left
            await ((SnapshotService)Snapshots).ClearedAsync();
            Assert.Empty(System.IO.Directory.EnumerateDirectories(Directory));
        }
    }

    [Fact]
    public async Task A_snapshot_is_forked_as_its_sandbox_was_then()
    {
        await using var sandbox = await machines.CreateAsync();
        await machines.RunAsync(sandbox.Id, "echo then > /dev/shm/when");
        var snapshot = await Snapshots.CreateAsync(sandbox.Id, "fork-me", CancellationToken.None);
        await machines.RunAsync(sandbox.Id, "echo now > /dev/shm/when");
        var fork = await machines.Sandboxes.ForkSnapshotAsync("fork-me", new ForkSpec { Count = 3 }, CancellationToken.None);
        Assert.Equal(3, fork.Children.Count(child => child.Sandbox is not null));
        Assert.Equal(sandbox.Id, fork.Source);
        foreach (var child in fork.Children.Select(child => child.Sandbox!))
        {
            Assert.Equal("then", await machines.RunAsync(child.Id, "cat /dev/shm/when"));
            Assert.Equal((sandbox.Id, fork.ForkId), (child.ForkedFrom, child.ForkId));
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        Assert.Equal("now", await machines.RunAsync(sandbox.Id, "cat /dev/shm/when"));
        Snapshots.Remove(snapshot.Id);
        var gone = await Assert.ThrowsAsync<SandboxException>(() => machines.Sandboxes.ForkSnapshotAsync("fork-me", new ForkSpec(), CancellationToken.None));
        Assert.Equal(ErrorCode.NotFound, gone.Code);
    }

    private async Task<Engine.Agent.AgentProcess> StartServerAsync(SandboxId id)
    {
        var server = await machines.StartAsync(id, "X=live; mkfifo /run/ask; while :; do read line < /run/ask && echo $X > /run/answer; done");
        await machines.RunAsync(id, "until [ -p /run/ask ]; do :; done");
        return server;
    }

    private Task<string> AskAsync(SandboxId id) => machines.RunAsync(id, "rm -f /run/answer; echo q > /run/ask; until [ -s /run/answer ]; do :; done; cat /run/answer");

    private static async Task HostAsync(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
