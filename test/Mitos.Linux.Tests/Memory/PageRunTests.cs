using FsCheck.Xunit;
using Mitos.Linux.Memory;

namespace Mitos.Linux.Tests.Memory;

public sealed class PageRunTests
{
    [Property(MaxTest = 200)]
    public void Parts_have_the_same_pages_in_the_same_order((byte First, byte Count)[] places, byte pages)
    {
        var runs = places.Select(place => new PageRun(place.First, place.Count + 1)).ToList();
        var parts = PageRun.Split(runs, pages + 1).ToList();
        Assert.Equal(runs.SelectMany(Pages), parts.SelectMany(part => part.SelectMany(Pages)));
        Assert.All(parts.SkipLast(1), part => Assert.Equal(pages + 1, part.Sum(run => run.Count)));
        Assert.All(parts.TakeLast(1), part => Assert.InRange(part.Sum(run => run.Count), 1, pages + 1));
    }

    private static IEnumerable<int> Pages(PageRun run) => Enumerable.Range(run.First, run.Count);
}
