using Mitos.Engine.Forks;
using Mitos.Engine.Generations;
using Mitos.Engine.Vmm;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Snapshots;

/// <summary>Pages of a machine and where they belong.</summary>
/// <param name="Regions">Of guest memory, in guest-physical order; addresses mean nothing.</param>
/// <param name="Runs">For each region the pages, in order.</param>
/// <param name="Pages">The pages, one after the other; null: none.</param>
internal sealed record CapturedPages(IReadOnlyList<GuestMemoryRegion> Regions, IReadOnlyList<IReadOnlyList<PageRun>> Runs, PageBuffer? Pages)
{
    private const int Block = 1 << 20, PagesOfBlock = Block / PageBuffer.PageSize;

    public long Bytes => Runs.Sum(region => region.Sum(run => (long)run.Count)) * PageBuffer.PageSize;

    /// <summary>The pages of a capture as they are: its generation is the one with files.</summary>
    public static CapturedPages Of(Capture capture) => new(capture.Regions, capture.Runs, capture.Pages);

    /// <summary>
    /// The pages in which a capture differs from another generation than its own: what differs between the two, and the capture's own
    /// over it. The result's buffer is a new one.
    /// </summary>
    public static CapturedPages Against(Generation root, Capture capture)
    {
        var differs = new bool[root.Memory.Length / PageBuffer.PageSize];
        MarkDifferences(root.Memory, capture.Generation.Memory, differs);
        var own = new Dictionary<int, long>(); // page of the memory file -> place in the capture's buffer
        long place = 0;
        for (var i = 0; i < capture.Runs.Count; i++)
        {
            var first = (int)(capture.Regions[i].FileOffset / PageBuffer.PageSize);
            foreach (var run in capture.Runs[i])
            {
                for (var page = 0; page < run.Count; page++, place += PageBuffer.PageSize)
                {
                    own[first + run.First + page] = place;
                    differs[first + run.First + page] = true;
                }
            }
        }
        var runs = capture.Regions.Select(region => RunsOf(region, differs)).ToList();
        var count = runs.Sum(list => list.Sum(run => (long)run.Count));
        if (count == 0)
            return new CapturedPages(capture.Regions, runs, null);
        var buffer = new PageBuffer(count * PageBuffer.PageSize);
        long at = 0;
        for (var i = 0; i < runs.Count; i++)
        {
            var first = (int)(capture.Regions[i].FileOffset / PageBuffer.PageSize);
            foreach (var page in runs[i].SelectMany(run => Enumerable.Range(first + run.First, run.Count)))
            {
                var target = buffer.AsSpan(at, PageBuffer.PageSize);
                if (own.TryGetValue(page, out var from))
                    capture.Pages!.AsSpan(from, PageBuffer.PageSize).CopyTo(target);
                else
                    RandomAccess.Read(capture.Generation.Memory.Handle, target, (long)page * PageBuffer.PageSize);
                at += PageBuffer.PageSize;
            }
        }
        return new CapturedPages(capture.Regions, runs, buffer);
    }

    private static void MarkDifferences(MemoryFile one, MemoryFile other, bool[] differs)
    {
        var blocks = new SortedSet<long>();
        foreach (var (start, end) in one.DataRanges().Concat(other.DataRanges()))
        {
            for (var block = start / Block; block * Block < end; block++)
                blocks.Add(block);
        }
        var (a, b) = (new byte[Block], new byte[Block]);
        foreach (var block in blocks)
        {
            var got = RandomAccess.Read(one.Handle, a, block * Block);
            if (RandomAccess.Read(other.Handle, b, block * Block) != got)
                throw new InvalidDataException("two generations of one shape differ in length");
            for (var page = 0; page * PageBuffer.PageSize < got; page++)
            {
                var place = page * PageBuffer.PageSize;
                if (!a.AsSpan(place, PageBuffer.PageSize).SequenceEqual(b.AsSpan(place, PageBuffer.PageSize)))
                    differs[(block * PagesOfBlock) + page] = true;
            }
        }
    }

    private static List<PageRun> RunsOf(GuestMemoryRegion region, bool[] differs)
    {
        var (first, count) = ((int)(region.FileOffset / PageBuffer.PageSize), (int)(region.Length / PageBuffer.PageSize));
        var runs = new List<PageRun>();
        for (var page = 0; page < count;)
        {
            if (!differs[first + page])
            {
                page++;
                continue;
            }
            var start = page;
            while (page < count && differs[first + page])
                page++;
            runs.Add(new PageRun(start, page - start));
        }
        return runs;
    }
}
