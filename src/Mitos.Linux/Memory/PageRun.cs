namespace Mitos.Linux.Memory;

/// <summary>Consecutive pages of 4 KiB of a mapping.</summary>
/// <param name="First">Index of the first page, from the mapping's start.</param>
/// <param name="Count">Number of pages, at least 1.</param>
public readonly record struct PageRun(int First, int Count)
{
    /// <summary>The same pages in the same order, in lists of at most <paramref name="pages"/> pages each.</summary>
    public static IEnumerable<List<PageRun>> Split(IEnumerable<PageRun> runs, int pages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pages, 1);
        var (part, room) = (new List<PageRun>(), pages);
        foreach (var run in runs)
        {
            for (var rest = run; rest.Count > 0;)
            {
                var count = Math.Min(rest.Count, room);
                part.Add(rest with { Count = count });
                rest = new PageRun(rest.First + count, rest.Count - count);
                room -= count;
                if (room == 0)
                {
                    yield return part;
                    (part, room) = ([], pages);
                }
            }
        }
        if (part.Count > 0)
            yield return part;
    }
}
