using Mitos.Contracts;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Files;

/// <summary>A side that stands still stops the other: nothing piles up in the daemon.</summary>
public sealed class MemoryTests(ServerFixture server)
{
    private const long Length = 256L << 20, Bound = 24 << 20;

    [Fact]
    public async Task An_upload_waits_for_a_guest_that_stands_still_and_arrives_whole()
    {
        await using var sandbox = await server.CreateAsync();
        var source = new Zeros(64 << 20);
        Vmm.Signal(sandbox.VmmPid, Vmm.Stop);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var content = new StreamContent(source);
        var upload = server.Http.PutAsync($"v1/sandboxes/{sandbox.Id}/files?path=/home/user/big", content).ReadAsync<WrittenBody>();
        await SettleAsync(() => source.Taken);
        Assert.InRange(source.Taken, 1, Bound);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, Bound);
        Vmm.Signal(sandbox.VmmPid, Vmm.Continue);
        Assert.Equal(64 << 20, (await upload).Bytes);
        var counted = await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = "tr -d '\\0' < big | wc -c; wc -c < big" });
        Assert.Equal($"0\n{64 << 20}\n", counted.Stdout);
    }

    [Fact]
    public async Task A_download_waits_for_a_client_that_does_not_read()
    {
        await using var sandbox = await server.CreateAsync();
        await server.Client.ExecAsync(sandbox.Id, new ExecRequest { Cmd = $"truncate -s {Length} sparse" });
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var response = await server.Http.GetAsync($"v1/sandboxes/{sandbox.Id}/files?path=sparse", HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        var buffer = new byte[1 << 20];
        await body.ReadExactlyAsync(buffer);
        await SettleAsync(() => (long)server.Client.GetMetricsAsync(sandbox.Id).Result.VmmCpuUs / 200_000); // the guest has nothing to do any more
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, Bound);
        await body.ReadExactlyAsync(buffer); // and goes on
        Assert.All(buffer, value => Assert.Equal(0, value));
    }

    // Until it has not changed for two seconds.
    private static async Task SettleAsync(Func<long> read)
    {
        for (var (last, same) = (read(), 0); same < 4; await Task.Delay(500))
        {
            var now = read();
            same = now == last ? same + 1 : 0;
            last = now;
        }
    }
}
