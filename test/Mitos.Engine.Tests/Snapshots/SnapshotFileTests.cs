using System.Runtime.InteropServices;
using FsCheck.Xunit;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Tests.Hosting;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Tests.Snapshots;

public sealed class SnapshotFileTests : IDisposable
{
    private readonly Scratch _scratch = new();

    [Property(MaxTest = 30)]
    public void What_is_read_is_what_was_written(byte[] state, (byte Gap, byte Count)[] first, (byte Gap, byte Count)[] second) => Run(async () =>
    {
        using var written = NewPages(first, second);
        var (length, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), state, written.Pages);
        Assert.Equal(length, new FileInfo(path).Length);
        var (readState, read) = await SnapshotFile.ReadAsync(path, checksum);
        using var buffer = read.Pages;
        Assert.Equal(state, readState);
        Assert.Equal(written.Pages.Regions.Select(region => (region.Length, region.FileOffset)), read.Regions.Select(region => (region.Length, region.FileOffset)));
        Assert.Equal(written.Pages.Runs.SelectMany(run => run), read.Runs.SelectMany(run => run));
        Assert.Equal(written.Pages.Bytes, read.Bytes);
        Assert.True(Bytes(written.Pages).AsSpan().SequenceEqual(Bytes(read)));
    });

    // Into this process: what the pages overwrite is theirs, and nothing else.
    [Property(MaxTest = 30)]
    public void What_goes_into_a_machine_is_what_was_written((byte Gap, byte Count)[] first, (byte Gap, byte Count)[] second) => Run(async () =>
    {
        using var written = NewPages(first, second);
        var (_, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), [], written.Pages);
        var memories = written.Pages.Regions.Select(region => GC.AllocateUninitializedArray<byte>((int)region.Length, pinned: true)).ToList();
        memories.ForEach(memory => memory.AsSpan().Fill(0x5A));
        var expected = memories.Select(memory => memory.ToArray()).ToList();
        var at = 0;
        for (var region = 0; region < expected.Count; region++)
        {
            foreach (var run in written.Pages.Runs[region])
            {
                Bytes(written.Pages).AsSpan(at, run.Count * PageBuffer.PageSize).CopyTo(expected[region].AsSpan(run.First * PageBuffer.PageSize));
                at += run.Count * PageBuffer.PageSize;
            }
        }
        using (var reader = SnapshotReader.Open(path, checksum))
            reader.WritePages(Environment.ProcessId, RegionsOf(memories));
        for (var region = 0; region < expected.Count; region++)
            Assert.True(expected[region].AsSpan().SequenceEqual(memories[region]));
    });

    [Property(MaxTest = 60)]
    public void A_byte_that_was_changed_anywhere_is_seen(uint place, byte change) => Run(async () =>
    {
        using var written = NewPages([(3, 5)], [(1, 200), (7, 100)]);
        var (length, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), [1, 2, 3], written.Pages);
        var bytes = File.ReadAllBytes(path);
        bytes[place % length] ^= (byte)(change | 1);
        File.WriteAllBytes(path, bytes);
        await Assert.ThrowsAsync<InvalidDataException>(() => SnapshotFile.ReadAsync(path, checksum));
        var memories = written.Pages.Regions.Select(region => GC.AllocateUninitializedArray<byte>((int)region.Length, pinned: true)).ToList();
        Assert.Throws<InvalidDataException>(() =>
        {
            using var reader = SnapshotReader.Open(path, checksum);
            reader.WritePages(Environment.ProcessId, RegionsOf(memories));
        });
    });

    [Fact]
    public async Task Any_damage_to_its_index_is_seen_for_what_it_is()
    {
        using var written = NewPages([(3, 5)], [(1, 200), (7, 100)]);
        var (_, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), [1, 2, 3], written.Pages);
        var bytes = File.ReadAllBytes(path);
        for (var place = 0; place < 96; place++) // the index ends before that
        {
            foreach (var change in (byte[])[1, 0x10, 0x80, 0xFF])
            {
                bytes[place] ^= change;
                File.WriteAllBytes(path, bytes);
                await Assert.ThrowsAsync<InvalidDataException>(() => SnapshotFile.ReadAsync(path, checksum));
                bytes[place] ^= change;
            }
        }
    }

    [Property(MaxTest = 60)]
    public void A_file_that_was_cut_or_grew_is_seen(uint keep, bool grow) => Run(async () =>
    {
        using var written = NewPages([(3, 5)], [(1, 200), (7, 100)]);
        var (length, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), [1, 2, 3], written.Pages);
        using (var file = File.OpenWrite(path))
            file.SetLength(grow ? length + 1 + (keep % 5000) : keep % length);
        await Assert.ThrowsAsync<InvalidDataException>(() => SnapshotFile.ReadAsync(path, checksum));
    });

    [Fact]
    public async Task Another_file_s_checksum_is_refused()
    {
        using var written = NewPages([(3, 5)], []);
        var (_, checksum) = await SnapshotFile.WriteAsync(NewPath(out var path), [1], written.Pages);
        await Assert.ThrowsAsync<InvalidDataException>(() => SnapshotFile.ReadAsync(path, new string('0', checksum.Length)));
    }

    public void Dispose() => _scratch.Dispose();

    private static void Run(Func<Task> test) => test().GetAwaiter().GetResult();

    private string NewPath(out string path) => path = _scratch[Guid.NewGuid().ToString("N")];

    private static byte[] Bytes(CapturedPages pages) => pages.Pages is { } buffer ? buffer.AsSpan(0, (int)pages.Bytes).ToArray() : [];

    // Two regions; content that compresses, and content that does not.
    private static Owned NewPages((byte Gap, byte Count)[] first, (byte Gap, byte Count)[] second)
    {
        var runs = new[] { RunsOf(first), RunsOf(second) };
        var regions = runs.Select((list, index) => new GuestMemoryRegion(0x1000, (list.Count == 0 ? 1 : list[^1].First + list[^1].Count) * (long)PageBuffer.PageSize, index * (1L << 32))).ToList();
        var bytes = runs.Sum(list => list.Sum(run => run.Count)) * PageBuffer.PageSize;
        if (bytes == 0)
            return new Owned(new CapturedPages(regions, runs, null));
        var buffer = new PageBuffer(bytes);
        Random.Shared.NextBytes(buffer.AsSpan(0, bytes / 2));
        return new Owned(new CapturedPages(regions, runs, buffer));
    }

    private static List<GuestMemoryRegion> RegionsOf(List<byte[]> memories) =>
        memories.ConvertAll(memory => new GuestMemoryRegion((ulong)Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0), memory.Length, 0));

    private static List<PageRun> RunsOf((byte Gap, byte Count)[] parts)
    {
        var runs = new List<PageRun>();
        var page = 0;
        foreach (var (gap, count) in parts.Where(part => part.Count > 0))
        {
            page += gap + 1;
            runs.Add(new PageRun(page, count));
            page += count;
        }
        return runs;
    }

    private sealed record Owned(CapturedPages Pages) : IDisposable
    {
        public void Dispose() => Pages.Pages?.Dispose();
    }
}
