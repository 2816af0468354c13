using System.Buffers.Binary;
using Mitos.Linux.Memory;
using Mitos.Probe;

namespace Mitos.FirecrackerFake.Tests;

/// <summary>A fork from outside, as the engine makes it, works on a fake as on a Firecracker; and shows when a step is left out.</summary>
public sealed class ForkTests : IDisposable
{
    private const ulong First = 16 << 20, Second = 17 << 20;
    private readonly FakeInstallation _fake = new();

    public void Dispose() => _fake.Dispose();

    [Fact]
    public async Task A_child_with_the_delta_goes_on_where_the_source_was()
    {
        await using var boot = await FreezeAsync();
        await using var source = await RunAsync(boot, "source", boot.PathOf("state"));
        await using var probe = await source.ConnectAsync();
        await probe.DirtyAsync(32 << 20, 100, 8192, 5, FakeProcess.Token);
        await probe.StartInvariantAsync(First, Second, FakeProcess.Token);
        var (runs, pages) = await CaptureAsync(source, boot);
        var (a, b) = (WordAt(runs, pages, First), WordAt(runs, pages, Second));
        Assert.True(a == b || a == b + 1);

        await using var child = await RunAsync(boot, "child", source.PathOf("state1"), runs, pages);
        await using var childProbe = await child.ConnectAsync();
        var report = await childProbe.StopInvariantAsync(FakeProcess.Token);
        Assert.Equal(0UL, report.Violations);
        Assert.True(report.Iterations >= a);
        Assert.Equal(2UL, (await childProbe.IdentifyAsync(FakeProcess.Token)).TransportResets); // of the freeze, and of the fork: it is in the delta
        await using var again = await source.ConnectAsync();
        Assert.Equal(await again.ChecksumAsync(32 << 20, 1 << 20, FakeProcess.Token), await childProbe.ChecksumAsync(32 << 20, 1 << 20, FakeProcess.Token));
    }

    [Fact]
    public async Task A_child_without_the_delta_is_a_machine_of_two_instants()
    {
        await using var boot = await FreezeAsync(invariant: true);
        await using var source = await RunAsync(boot, "source", boot.PathOf("state"));
        await using (var probe = await source.ConnectAsync())
        {
            var before = (await probe.ReportInvariantAsync(FakeProcess.Token)).Iterations;
            while ((await probe.ReportInvariantAsync(FakeProcess.Token)).Iterations < before + 10_000)
                await Task.Delay(5);
        }
        await CaptureAsync(source, boot);
        await using var child = await RunAsync(boot, "child", source.PathOf("state1"));
        await using var childProbe = await child.ConnectAsync();
        Assert.Equal(1UL, (await childProbe.StopInvariantAsync(FakeProcess.Token)).Violations);
    }

    [Fact]
    public async Task Paused_nothing_changes()
    {
        await using var boot = await FreezeAsync(invariant: true);
        await using var source = await RunAsync(boot, "source", boot.PathOf("state"));
        for (var i = 0; i < 20; i++)
        {
            await source.PauseAsync();
            var first = Read(source, boot);
            await Task.Delay(5);
            var second = Read(source, boot);
            Assert.Equal(first.Runs, second.Runs);
            Assert.Equal(first.Pages, second.Pages);
            await source.ResumeAsync();
        }
    }

    private Task<FakeProcess> FreezeAsync(bool invariant = false) => StartAsync("boot", async boot =>
    {
        await boot.BootAsync();
        if (invariant)
        {
            await using var probe = await boot.ConnectAsync();
            await probe.StartInvariantAsync(First, Second, FakeProcess.Token);
        }
        await boot.PauseAsync();
        await boot.DoAsync("PUT", "/snapshot/create", """{"snapshot_path":"state","mem_file_path":"mem"}""");
    });

    private Task<FakeProcess> RunAsync(FakeProcess boot, string id, string state, List<PageRun>? runs = null, byte[]? pages = null) => StartAsync(id, async machine =>
    {
        await machine.LoadAsync(state, boot.PathOf("mem"));
        if (runs is not null)
            Write(machine, boot, runs, pages!);
        await machine.ResumeAsync();
    });

    private async Task<FakeProcess> StartAsync(string id, Func<FakeProcess, Task> prepare)
    {
        var process = new FakeProcess(_fake, id);
        try
        {
            await prepare(process);
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    private static async Task<(List<PageRun> Runs, byte[] Pages)> CaptureAsync(FakeProcess source, FakeProcess boot)
    {
        await source.PauseAsync();
        Assert.Contains("memory backing file", await source.RefusedAsync("PUT", "/snapshot/create", """{"snapshot_path":"state1","mem_file_path":"/dev/null/none"}"""), StringComparison.Ordinal);
        var delta = Read(source, boot);
        await source.ResumeAsync();
        return delta;
    }

    // The machine's memory is one mapping, of 64 MiB; a run counts pages from its beginning.
    private static ulong MappingOf(FakeProcess machine, FakeProcess boot) => ProcessMap.Find(machine.Id, boot.PathOf("mem")).Single().Start;

    private static (List<PageRun> Runs, byte[] Pages) Read(FakeProcess machine, FakeProcess boot)
    {
        var runs = new List<PageRun>();
        using var map = new PageMap(machine.Id);
        var length = map.FindPrivate(MappingOf(machine, boot), 64 << 20, runs) * PageBuffer.PageSize;
        using var buffer = new PageBuffer(length);
        ProcessMemory.Read(machine.Id, MappingOf(machine, boot), [.. runs], buffer);
        return (runs, buffer.AsSpan(0, length).ToArray());
    }

    private static void Write(FakeProcess machine, FakeProcess boot, List<PageRun> runs, byte[] pages)
    {
        using var buffer = new PageBuffer(pages.Length);
        pages.CopyTo(buffer.AsSpan(0, pages.Length));
        ProcessMemory.Write(machine.Id, MappingOf(machine, boot), [.. runs], buffer);
    }

    private static ulong WordAt(List<PageRun> runs, byte[] pages, ulong address)
    {
        var (page, before) = ((int)(address / PageBuffer.PageSize), 0);
        foreach (var run in runs)
        {
            if (page >= run.First && page < run.First + run.Count)
                return BinaryPrimitives.ReadUInt64LittleEndian(pages.AsSpan((before + page - run.First) * PageBuffer.PageSize));
            before += run.Count;
        }
        throw new ArgumentOutOfRangeException(nameof(address), address, "The page is not in the delta.");
    }
}
