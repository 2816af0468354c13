using Mitos.Engine.Templates;

namespace Mitos.Engine.Tests.Templates;

public sealed class CacheLockTests : IDisposable
{
    private readonly string _cache = Path.Combine(Path.GetTempPath(), $"mitos-cache-{Guid.NewGuid():n}");

    [Fact]
    public async Task One_makes_a_thing_while_the_others_wait_and_are_told_so_once()
    {
        var (inside, most) = (0, 0);
        var told = new List<string>();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            using var held = await CacheLock.AcquireAsync(_cache, "thing", line => { lock (told) told.Add(line); }, TestContext.Current.CancellationToken);
            most = Math.Max(most, Interlocked.Increment(ref inside));
            await Task.Delay(300);
            Interlocked.Decrement(ref inside);
        })));
        Assert.Equal(1, most);
        Assert.InRange(told.Count, 1, 3);
        Assert.All(told, line => Assert.Contains("thing", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Who_waits_can_be_called_off_and_other_names_are_free()
    {
        using var held = await CacheLock.AcquireAsync(_cache, "thing", _ => { }, TestContext.Current.CancellationToken);
        using var other = await CacheLock.AcquireAsync(_cache, "another", _ => { }, TestContext.Current.CancellationToken);
        using var off = new CancellationTokenSource();
        var waiting = CacheLock.AcquireAsync(_cache, "thing", _ => off.Cancel(), off.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    public void Dispose() => Directory.Delete(_cache, recursive: true);
}
