using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;

namespace Mitos.MachineTests;

public sealed class ForkTests(MachineFixture machines)
{
    [Fact]
    public async Task Children_see_what_was_before_the_pause_in_memory_on_disk_and_in_processes_and_nothing_after()
    {
        await using var source = await machines.CreateAsync();
        await using var server = await machines.StartAsync(source.Id, "X=live; echo disk > /root/d; echo memory > /dev/shm/m; mkfifo /run/ask; while :; do read line < /run/ask && echo $X > /run/answer; done");
        await machines.RunAsync(source.Id, "until [ -p /run/ask ]; do :; done");
        var children = await machines.ForkAsync(source.Id, 3);
        await machines.RunAsync(source.Id, "echo later > /root/d; echo later > /dev/shm/m");
        foreach (var child in children)
        {
            Assert.Equal("disk memory live", await machines.RunAsync(child.Id, "echo q > /run/ask; until [ -s /run/answer ]; do :; done; echo $(cat /root/d /dev/shm/m /run/answer)"));
            Assert.Equal(source.Id, child.ForkedFrom);
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        Assert.Equal("later", await machines.RunAsync(source.Id, "cat /root/d"));
    }

    [Fact]
    public async Task Two_counters_that_a_guest_increments_in_turn_never_disagree_in_any_of_many_forks()
    {
        const int Forks = 40;
        const string Program = """
            #include <stdint.h>
            #include <sys/mman.h>
            #include <fcntl.h>
            #include <unistd.h>
            int main(void) {
                int fd = open("/dev/shm/pair", O_RDWR | O_CREAT, 0600);
                ftruncate(fd, 8192);
                volatile uint64_t *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                for (;;) { p[0]++; p[512]++; }
            }
            """;
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, $"cat > /root/p.c <<'E'\n{Program}\nE\ncc -O1 -o /root/pair /root/p.c");
        await using var process = await machines.StartAsync(source.Id, "exec /root/pair");
        var (first, last) = (ulong.MaxValue, 0UL);
        for (var i = 0; i < Forks; i++)
        {
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            var text = await machines.RunAsync(child.Id, $"kill -STOP {process.Pid}; od -An -v -tu8 -w8 /dev/shm/pair | sed -n '1p;513p'");
            var values = text.Split('\n').Select(line => ulong.Parse(line.Trim())).ToArray();
            Assert.True(values[0] == values[1] || values[0] == values[1] + 1, $"fork {i}: {values[0]} and {values[1]}");
            Assert.True(values[0] >= last, $"fork {i}: the counter went back from {last} to {values[0]}"); // a busy host may give the source no time between two forks
            (first, last) = (Math.Min(first, values[0]), values[0]);
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        Assert.True(last > first, "the counter stood still");
    }

    [Fact]
    public async Task Disk_and_memory_of_a_child_are_of_the_same_instant()
    {
        await using var source = await machines.CreateAsync();
        const string Writer = "import os,mmap\nm=open('/dev/shm/seq','wb+');m.truncate(4096);v=mmap.mmap(m.fileno(),4096)\nf=os.open('/root/seq',os.O_RDWR|os.O_CREAT)\nn=0\nwhile True:\n n+=1\n os.pwrite(f,b'%020d'%n,0);os.fsync(f)\n v[0:20]=b'%020d'%n\n";
        await machines.RunAsync(source.Id, $"cat > /root/w.py <<'E'\n{Writer}E");
        await using var process = await machines.StartAsync(source.Id, "exec python3 /root/w.py");
        await machines.RunAsync(source.Id, "until [ -s /root/seq ] && [ -s /dev/shm/seq ]; do :; done");
        for (var i = 0; i < 8; i++)
        {
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            var text = await machines.RunAsync(child.Id,
                $"kill -STOP {process.Pid}; echo 3 > /proc/sys/vm/drop_caches; head -c20 /root/seq; echo; head -c20 /dev/shm/seq; echo; dmesg | grep -c 'EXT4-fs error' || true");
            var lines = text.Split('\n');
            var (disk, memory) = (long.Parse(lines[0]), long.Parse(lines[1]));
            Assert.True(disk == memory || disk == memory + 1, $"disk has {disk}, memory {memory}");
            Assert.Equal("0", lines[2]);
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
    }

    [Fact]
    public async Task Siblings_and_source_share_no_random_number_and_no_name()
    {
        await using var source = await machines.CreateAsync();
        var children = await machines.ForkAsync(source.Id, 6);
        var seen = new HashSet<string>();
        foreach (var id in children.Select(child => child.Id).Prepend(source.Id))
        {
            var text = await machines.RunAsync(id,
                "cat /proc/sys/kernel/random/uuid; head -c16 /dev/urandom | od -An -tx1; cat /etc/machine-id; hostname; cat /run/mitos/token; python3 -c 'import random,uuid;print(random.random());print(uuid.uuid4())'; openssl rand -hex 16");
            foreach (var line in text.Split('\n'))
                Assert.True(seen.Add(line), $"twice: {line}");
        }
        Assert.Equal(7 * 8, seen.Count);
        foreach (var child in children)
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
    }

    [Fact]
    public async Task Grandchildren_see_exactly_their_ancestors_writes_also_when_the_ancestors_are_gone()
    {
        const int Depth = 16;
        var current = (await machines.CreateAsync()).Id;
        for (var level = 0; level < Depth; level++)
        {
            await machines.RunAsync(current, $"echo {level} >> /root/trail; echo {level} >> /dev/shm/trail; sync");
            var child = (await machines.ForkAsync(current, 1))[0];
            Assert.Equal(level + 1, child.Lineage.Count);
            await machines.RunAsync(current, "echo x >> /root/trail; echo x >> /dev/shm/trail");
            await machines.Sandboxes.RemoveAsync(current, CancellationToken.None);
            current = child.Id;
        }
        var expected = string.Join(' ', Enumerable.Range(0, Depth));
        Assert.Equal($"{expected}|{expected}", await machines.RunAsync(current, "echo 3 > /proc/sys/vm/drop_caches; echo \"$(echo $(cat /root/trail))|$(echo $(cat /dev/shm/trail))\""));
        await machines.Sandboxes.RemoveAsync(current, CancellationToken.None);
    }

    // The counter moves only when the host says so, and the host waits each time: a child, which nobody tells, keeps the instant's, or the next one if that was on its way.
    [Fact]
    public async Task Sixteen_children_of_one_fork_agree_on_the_instant()
    {
        const int Children = 16;
        await using var source = await machines.CreateAsync();
        var spec = new ProcessSpec { Argv = ["/bin/bash", "-c", "i=0; while read -r _; do i=$((i+1)); echo $i > /dev/shm/i; echo; done"], User = "root", Stdin = true };
        await using var counter = await machines.Sandboxes.Agent(source.Id).StartAsync(spec, CancellationToken.None);
        await using var answers = counter.ReadAsync(CancellationToken.None).GetAsyncEnumerator();
        var count = 0;
        async Task CountAsync()
        {
            await counter.WriteStdinAsync("\n"u8.ToArray(), CancellationToken.None);
            Assert.True(await answers.MoveNextAsync());
            count++;
        }

        await CountAsync();
        var forking = machines.ForkAsync(source.Id, Children);
        while (!forking.IsCompleted)
            await CountAsync();
        var children = await forking;
        var values = await Task.WhenAll(children.Select(child => machines.RunAsync(child.Id, "cat /dev/shm/i")));
        var (least, most) = (values.Min(int.Parse), values.Max(int.Parse));
        Assert.True(most - least <= 1 && least >= 1, $"of {count}, the children have {string.Join(' ', values)}");
        Assert.True(count > most + 2, $"the source only came to {count}, and was forked at {most}: other instants would not have shown");
        await Task.WhenAll(children.Select(child => machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None)));
    }

    [Fact]
    public async Task Concurrent_forks_of_one_source_are_all_served()
    {
        await using var source = await machines.CreateAsync();
        var forks = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => machines.Sandboxes.ForkAsync(source.Id, new ForkSpec { Count = 1 + (i % 2) }, CancellationToken.None)));
        var children = forks.SelectMany(fork => fork.Children).ToList();
        Assert.All(children, child => Assert.Null(child.Error));
        Assert.Equal(12, children.Select(child => child.Sandbox!.Id).Distinct().Count());
        foreach (var child in children)
            await machines.Sandboxes.RemoveAsync(child.Sandbox!.Id, CancellationToken.None);
    }

    [Fact]
    public async Task A_large_delta_is_promoted_so_that_children_share_it()
    {
        await using var source = await machines.CreateAsync();
        await machines.RunAsync(source.Id, "head -c 96M /dev/urandom > /dev/shm/big; sha256sum /dev/shm/big > /root/sum");
        var children = await machines.ForkAsync(source.Id, 4);
        foreach (var child in children)
        {
            Assert.NotEqual(machines.Sandboxes.Find(source.Id.ToString()).Generation, child.Generation);
            Assert.True(machines.Sandboxes.ReadMemory(child.Id).PrivateBytes < 16 << 20, "the delta was copied, not shared");
            await machines.RunAsync(child.Id, "sha256sum -c /root/sum");
        }
        // a fork of a promoted child still has everything
        var grandchild = (await machines.ForkAsync(children[0].Id, 1))[0];
        await machines.RunAsync(grandchild.Id, "sha256sum -c /root/sum");
        foreach (var id in children.Append(grandchild).Select(info => info.Id))
            await machines.Sandboxes.RemoveAsync(id, CancellationToken.None);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(101)]
    public async Task A_count_that_is_not_possible_is_refused_and_nothing_is_paused(int count)
    {
        await using var source = await machines.CreateAsync();
        var error = await Assert.ThrowsAsync<SandboxException>(() => machines.Sandboxes.ForkAsync(source.Id, new ForkSpec { Count = count }, CancellationToken.None));
        Assert.Equal(ErrorCode.InvalidArgument, error.Code);
        Assert.Contains("1 to 100", error.Remedy, StringComparison.Ordinal);
        await machines.RunAsync(source.Id, "true");
    }

    [Fact]
    public async Task A_source_that_writes_to_its_disk_between_many_forks_keeps_a_shallow_disk()
    {
        await using var source = await machines.CreateAsync();
        for (var i = 0; i < 12; i++)
        {
            await machines.RunAsync(source.Id, $"echo {i} >> /root/log; sync");
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        var until = DateTime.UtcNow.AddSeconds(60);
        while (machines.Sandboxes.Find(source.Id.ToString()).DiskLayers > 4 && DateTime.UtcNow < until)
            await Task.Delay(100);
        Assert.True(machines.Sandboxes.Find(source.Id.ToString()).DiskLayers <= 4, "the layers were not flattened");
        var last = (await machines.ForkAsync(source.Id, 1))[0];
        Assert.Equal("0 1 2 3 4 5 6 7 8 9 10 11", await machines.RunAsync(last.Id, "echo 3 > /proc/sys/vm/drop_caches; echo $(cat /root/log)"));
        await machines.Sandboxes.RemoveAsync(last.Id, CancellationToken.None);
    }
}
