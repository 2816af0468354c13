using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>A daemon whose cache has the kernel alone, so that a build begins with the root file system, which takes minutes.</summary>
public sealed class EmptyCacheDaemon : Daemon
{
    public EmptyCacheDaemon()
    {
        CacheDirectory = StateDirectory + "-cache";
        Variables["MITOS_CACHE"] = CacheDirectory;
    }

    public string CacheDirectory { get; }

    public override async ValueTask InitializeAsync()
    {
        Belongings.Add(CacheDirectory);
        Directory.CreateDirectory(CacheDirectory);
        foreach (var kernel in Directory.EnumerateDirectories("/var/cache/mitos", "kernel-*").Where(path => !path.Contains(".draft-", StringComparison.Ordinal)))
            File.CreateSymbolicLink(Path.Combine(CacheDirectory, Path.GetFileName(kernel)), kernel);
        await StartAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Assert.Empty(Procfs.UsersOf(CacheDirectory));
        Directory.Delete(CacheDirectory, recursive: true);
    }
}

public sealed class CutBuildTests(EmptyCacheDaemon daemon) : IClassFixture<EmptyCacheDaemon>
{
    [Fact]
    public async Task A_root_file_system_that_is_half_made_goes_with_the_tools_that_make_it()
    {
        using var mitos = daemon.Runner.Start(Programs.Cli, ["template", "build", "base"]);
        var trees = () => Directory.EnumerateDirectories(daemon.CacheDirectory, "rootfs-*.draft-*").SelectMany(draft => Directory.EnumerateDirectories(draft, "tree")).ToList();
        while (trees().Count == 0)
        {
            Assert.False(mitos.HasExited, "the build ended before it began to make the tree");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
        await daemon.KillAsync();
        await mitos.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.NotEqual(0, mitos.ExitCode);
        await daemon.StartAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(daemon.CacheDirectory, "*.draft-*"));
        Assert.Empty(Procfs.UsersOf(daemon.CacheDirectory));
        Assert.Empty(await daemon.Leftovers.OfRunningAsync());
    }
}
