using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Mitos.Engine;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;

namespace Mitos.MachineTests;

public sealed class FaultTests(MachineFixture machines)
{
    [Fact]
    public async Task A_machine_that_is_killed_stops_its_sandbox_and_no_other()
    {
        await using var source = await machines.CreateAsync();
        var children = await machines.ForkAsync(source.Id, 2);
        using (var vmm = Process.GetProcessById(machines.Sandboxes.Find(source.Id.ToString()).VmmPid!.Value))
            vmm.Kill();
        await machines.Sandboxes.WaitStoppedAsync(source.Id, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(SandboxState.Stopped, machines.Sandboxes.Find(source.Id.ToString()).State);
        var error = await Assert.ThrowsAsync<SandboxException>(() => machines.Sandboxes.ForkAsync(source.Id, new ForkSpec(), CancellationToken.None));
        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        foreach (var child in children)
        {
            Assert.Equal("alive", await machines.RunAsync(child.Id, "echo alive"));
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_source_that_is_killed_while_it_is_forked_is_stopped_with_a_clear_error_and_leaves_nothing()
    {
        const int Rounds = 12;
        await using var parent = await machines.CreateAsync();
        await machines.RunAsync(parent.Id, "head -c 8M /dev/urandom > /dev/shm/noise; echo parent > /root/file; sync");
        for (var round = 0; round < Rounds; round++)
        {
            var id = (await machines.ForkAsync(parent.Id, 1))[0].Id;
            await machines.RunAsync(id, "echo source > /root/file; sync");
            var machine = Insides.StoreOf(machines.Engine).Get(id).Machine!;
            var above = machine.Disk.Frozen.Length;
            var forking = machines.Sandboxes.ForkAsync(id, new ForkSpec { Count = 2 }, CancellationToken.None);
            await Task.Delay(Random.Shared.Next(round * 5)); // most of what can be cut short is in the first milliseconds
            machine.Vmm.Process.Kill();
            var children = new List<ForkChild>();
            try
            {
                children.AddRange((await forking).Children);
            }
            catch (SandboxException e)
            {
                Assert.Contains(id.ToString(), e.Message, StringComparison.Ordinal);
                Assert.Contains("its machine ended", e.Message, StringComparison.Ordinal);
                Assert.Equal(ErrorCode.FailedPrecondition, e.Code);
            }
            await machines.Sandboxes.WaitStoppedAsync(id, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
            Assert.Equal(SandboxState.Stopped, machines.Sandboxes.Find(id.ToString()).State);
            foreach (var child in children)
            {
                Assert.Null(child.Error); // the instant was whole: what became of the source then is not theirs
                Assert.Equal("source", await machines.RunAsync(child.Sandbox!.Id, "cat /root/file"));
                await machines.Sandboxes.RemoveAsync(child.Sandbox.Id, CancellationToken.None);
            }
            await machines.Sandboxes.RemoveAsync(id, CancellationToken.None);
            var layers = Insides.HostOf(machine).Layers;
            Assert.All(machine.Disk.Frozen[above..].Append(machine.ActiveLayer), layer => Assert.False(File.Exists(layers.PathOf(layer)), "a layer was not let go"));
            Assert.False(Directory.Exists(machine.Spec.RunDirectory), "its directory is still there");
            Assert.False(Directory.Exists($"/proc/{machine.Vmm.Process.Id}"), "its process is still there");
        }
    }

    [Fact]
    public async Task Running_sandboxes_are_adopted_by_the_next_engine_and_can_be_used_and_forked()
    {
        var source = (await machines.Sandboxes.CreateAsync(new CreateSandboxSpec { Name = "kept" }, CancellationToken.None)).Id;
        await machines.RunAsync(source, "echo before > /root/state; head -c 64M /dev/urandom > /dev/shm/big; sync");
        var promoted = (await machines.ForkAsync(source, 4))[0].Id;
        await machines.RestartAsync();
        Assert.Equal(5, machines.Sandboxes.List().Count);
        Assert.Equal(source, machines.Sandboxes.Find("kept").Id);
        Assert.Equal("before", await machines.RunAsync(source, "cat /root/state"));
        foreach (var id in new[] { source, promoted })
        {
            var child = (await machines.ForkAsync(id, 1))[0];
            Assert.Equal("before", await machines.RunAsync(child.Id, "cat /root/state"));
        }
        await machines.RemoveAllAsync();
    }

    [Fact]
    public async Task A_second_engine_on_the_same_state_is_refused_and_the_first_goes_on()
    {
        var error = await Assert.ThrowsAsync<SandboxException>(() => HostEngine.StartAsync(machines.Options, NullLoggerFactory.Instance));
        Assert.Equal(ErrorCode.Conflict, error.Code);
        Assert.Contains(Environment.ProcessId.ToString(), error.Message, StringComparison.Ordinal);
        await using var sandbox = await machines.CreateAsync();
        await machines.RunAsync(sandbox.Id, "true");
    }

    [Fact]
    public async Task A_damaged_generation_is_refused_and_built_again()
    {
        await machines.RestartAsync(); // so that the generation is not in memory
        var generation = machines.Engine.Templates.Get("base").Generation;
        var path = Path.Combine(machines.Options.StateDirectory, "generations", generation, "memory");
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
        {
            var byte0 = new byte[1];
            RandomAccess.Read(file, byte0, 16 << 20);
            byte0[0] ^= 1;
            RandomAccess.Write(file, byte0, 16 << 20);
        }
        var error = await Assert.ThrowsAsync<SandboxException>(() => machines.Sandboxes.CreateAsync(new CreateSandboxSpec(), CancellationToken.None));
        Assert.Contains("damaged", error.Message, StringComparison.Ordinal);
        Assert.Contains("template build", error.Remedy, StringComparison.Ordinal);
        var rebuilt = await machines.Engine.Templates.BuildAsync(new BuildTemplateSpec { Name = "base" }, new Progress<BuildProgress>(), CancellationToken.None);
        Assert.NotEqual(generation, rebuilt.Generation);
        await using var sandbox = await machines.CreateAsync();
        await machines.RunAsync(sandbox.Id, "true");
    }

    [Fact]
    public async Task A_fork_bomb_and_a_full_disk_in_one_guest_leave_its_sibling_well()
    {
        await using var source = await machines.CreateAsync();
        var children = await machines.ForkAsync(source.Id, 2);
        await using var bomb = await machines.Sandboxes.Agent(children[0].Id).StartAsync(
            new ProcessSpec { Argv = ["/bin/bash", "-c", "ulimit -u 2000; b() { b | b & }; b; sleep 60"], User = "user" }, CancellationToken.None);
        var (code, _) = await machines.TryRunAsync(children[1].Id, "timeout 5 head -c 300M /dev/zero > /dev/shm/full; echo done");
        Assert.True(code is 0 or 1);
        Assert.Equal("well", await machines.RunAsync(children[1].Id, "echo well"));
        Assert.Equal("well", await machines.RunAsync(source.Id, "echo well"));
        foreach (var child in children)
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
    }

    [Fact]
    public async Task A_vmm_runs_as_a_user_of_its_own_sandboxed_and_limited()
    {
        await using var one = await machines.CreateAsync();
        await using var two = await machines.CreateAsync();
        var users = new HashSet<string>();
        foreach (var id in new[] { one.Id, two.Id })
        {
            var pid = machines.Sandboxes.Find(id.ToString()).VmmPid!.Value;
            var status = File.ReadAllLines($"/proc/{pid}/status").Select(line => line.Split('\t')).ToDictionary(fields => fields[0], fields => fields[1..]);
            Assert.All(status["Uid:"], uid => Assert.True(int.Parse(uid) >= machines.Options.FirstUserId));
            Assert.True(users.Add(status["Uid:"][0]), "two machines run as one user");
            Assert.Equal("2", status["Seccomp:"][0]);
            Assert.Equal("0000000000000000", status["CapEff:"][0]);
            Assert.Contains("/mitos/", File.ReadAllText($"/proc/{pid}/cgroup"), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("../../etc/passwd")]
    [InlineData("")]
    public void An_unknown_sandbox_is_said_to_be_unknown(string id)
    {
        var error = Assert.Throws<SandboxException>(() => machines.Sandboxes.Find(id));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    [Fact]
    public async Task An_unknown_template_is_refused_with_the_nearest_name()
    {
        var error = await Assert.ThrowsAsync<SandboxException>(() => machines.Sandboxes.CreateAsync(new CreateSandboxSpec { Template = "bsae" }, CancellationToken.None));
        Assert.Equal(ErrorCode.NotFound, error.Code);
        Assert.Contains("base", error.Remedy, StringComparison.Ordinal);
    }
}
