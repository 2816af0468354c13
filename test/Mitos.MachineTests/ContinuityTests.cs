using System.Security.Cryptography;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.MachineTests;

public sealed class ContinuityTests(MachineFixture machines)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_open_stream_of_the_source_loses_no_byte_across_many_forks(bool terminal)
    {
        await using var source = await machines.CreateAsync();
        var spec = new ProcessSpec { Argv = ["/bin/bash", "-c", "i=0; while [ ! -e /run/stop ]; do echo $i; i=$((i+1)); done; echo end"], User = "root", Terminal = terminal ? new TerminalSize(24, 80) : null };
        await using var process = await machines.Sandboxes.Agent(source.Id).StartAsync(spec, CancellationToken.None);
        var reading = ReadAllAsync(process);
        for (var i = 0; i < 20; i++)
        {
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        await machines.RunAsync(source.Id, "touch /run/stop");
        var lines = (await reading).Replace("\r", "", StringComparison.Ordinal).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("end", lines[^1]);
        Assert.True(lines.Length > 100);
        Assert.Equal(Enumerable.Range(0, lines.Length - 1).Select(i => i.ToString()), lines[..^1]);
    }

    [Fact]
    public async Task A_fork_in_the_middle_of_an_upload_harms_neither_the_upload_nor_the_child()
    {
        await using var source = await machines.CreateAsync();
        var content = RandomNumberGenerator.GetBytes(10 << 20);
        var upload = machines.Sandboxes.Agent(source.Id).Files.WriteAsync("/root/upload", new MemoryStream(content), 0, "root", CancellationToken.None);
        var children = new List<SandboxInfo>();
        while (!upload.IsCompleted && children.Count < 8)
            children.AddRange(await machines.ForkAsync(source.Id, 1));
        Assert.NotEmpty(children);
        Assert.Equal(content.Length, await upload);
        Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(content)), await machines.RunAsync(source.Id, "sha256sum /root/upload"), StringComparison.Ordinal);
        foreach (var child in children)
        {
            Assert.Equal("well", await machines.RunAsync(child.Id, "echo well"));
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
    }

    // What passes between host and guest while the source stands still would be in its memory and not in its device state: no child could be made of that.
    [Fact]
    public async Task Forks_of_a_source_that_is_spoken_to_all_the_time_never_fail()
    {
        const int Forks = 40;
        await using var source = await machines.CreateAsync();
        var agent = machines.Sandboxes.Agent(source.Id);
        using var stop = new CancellationTokenSource();
        await using var flood = await agent.StartAsync(new ProcessSpec { Argv = ["/bin/sh", "-c", "exec yes 0123456789abcdef"], User = "root" }, CancellationToken.None);
        // without waiting for answers, so that there is something on its way at any time
        var talking = Task.Run(async () =>
        {
            var asked = new Queue<Task>();
            for (; !stop.IsCancellationRequested; Thread.Sleep(1))
            {
                asked.Enqueue(agent.Files.StatAsync("/root", "root", CancellationToken.None));
                if (asked.Count > 200)
                    await asked.Dequeue();
            }
            await Task.WhenAll(asked);
        });
        var drinking = Task.Run(async () =>
        {
            long bytes = 0;
            await foreach (var next in flood.ReadAsync(CancellationToken.None))
            {
                Assert.All(next.Bytes.ToArray().Index(), pair => Assert.Equal((byte)"0123456789abcdef\n"[(int)((bytes + pair.Index) % 17)], pair.Item));
                bytes += next.Bytes.Length;
            }
            return bytes;
        });
        for (var i = 0; i < Forks; i++)
        {
            var child = (await machines.ForkAsync(source.Id, 1))[0];
            if (i % 10 == 0)
                Assert.Equal("well", await machines.RunAsync(child.Id, "echo well"));
            await machines.Sandboxes.RemoveAsync(child.Id, CancellationToken.None);
        }
        await stop.CancelAsync();
        await talking;
        await flood.SignalAsync(9, group: false, CancellationToken.None);
        Assert.True(await drinking > 1 << 20);
    }

    private static async Task<string> ReadAllAsync(AgentProcess process)
    {
        var output = new MemoryStream();
        await foreach (var next in process.ReadAsync(CancellationToken.None))
            output.Write(next.Bytes.Span);
        return Encoding.UTF8.GetString(output.ToArray());
    }
}
