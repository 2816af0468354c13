using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Tests.Hosting;

namespace Mitos.Engine.Tests.Disks;

public sealed class LayerStoreTests : IDisposable
{
    private const long Size = 1 << 20;
    private readonly Scratch _scratch = new();

    [Fact]
    public void A_layer_goes_with_its_last_user()
    {
        var store = new LayerStore(_scratch["layers"]);
        var (layer, empty) = store.Create(Size);
        Assert.Equal(empty, store.LengthOf(layer));
        store.Acquire([layer, layer]);
        store.Release([layer]);
        store.Release([layer]);
        Assert.True(File.Exists(store.PathOf(layer)));
        store.Release([layer]);
        Assert.Empty(Directory.GetFiles(_scratch["layers"]));
    }

    [Fact]
    public void What_a_crash_left_is_deleted_and_what_is_used_stays()
    {
        var before = new LayerStore(_scratch["layers"]);
        var kept = before.Create(Size).Layer;
        before.Create(Size);
        File.WriteAllText(Path.Combine(_scratch["layers"], "0123456789abcdef.qcow2.tmp"), "half");
        File.WriteAllText(Path.Combine(_scratch["layers"], "something"), "else");
        var after = new LayerStore(_scratch["layers"]);
        after.Acquire([kept]);
        Assert.Equal(3, after.DeleteUnused());
        Assert.Equal([after.PathOf(kept)], Directory.GetFiles(_scratch["layers"]));
        Assert.Equal(0, after.DeleteUnused());
    }

    [Fact]
    public async Task Counts_hold_when_many_threads_count()
    {
        var store = new LayerStore(_scratch["layers"]);
        var layer = store.Create(Size).Layer;
        await Parallel.ForAsync(0, 16, (_, _) =>
        {
            for (var i = 0; i < 500; i++)
            {
                store.Acquire([layer]);
                var own = i % 100 == 0 ? store.Create(Size).Layer : layer;
                Assert.True(File.Exists(store.PathOf(layer)));
                store.Release([layer]);
                if (own != layer)
                    store.Release([own]);
            }
            return ValueTask.CompletedTask;
        });
        Assert.Equal([store.PathOf(layer)], Directory.GetFiles(_scratch["layers"]));
        store.Release([layer]);
        Assert.Empty(Directory.GetFiles(_scratch["layers"]));
    }

    [Fact]
    public void A_release_too_many_is_a_defect_that_shows()
    {
        var store = new LayerStore(_scratch["layers"]);
        var layer = store.Create(Size).Layer;
        store.Release([layer]);
        Assert.Throws<InvalidOperationException>(() => store.Release([layer]));
        var stranger = new LayerStore(_scratch["layers"]).Create(Size).Layer; // of an engine before, not yet counted
        Assert.Throws<InvalidOperationException>(() => store.Release([stranger]));
        Assert.True(File.Exists(store.PathOf(stranger)));
    }

    [Fact]
    public void A_layer_that_cannot_be_created_is_refused_with_the_directory_and_what_to_do()
    {
        var store = new LayerStore(_scratch["layers"]);
        Directory.Delete(_scratch["layers"]);
        var error = Assert.Throws<SandboxException>(() => store.Create(Size));
        Assert.Equal(ErrorCode.Exhausted, error.Code);
        Assert.Contains(_scratch["layers"], error.Message, StringComparison.Ordinal);
        Assert.Contains("disk space", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_engine_s_user_may_look_into_the_directory()
    {
        _ = new LayerStore(_scratch["layers"]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_scratch["layers"]));
    }

    public void Dispose() => _scratch.Dispose();
}
