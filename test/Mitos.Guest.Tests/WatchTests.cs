using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class WatchTests
{
    private static CancellationToken Deadline => AgentHost.Deadline;

    [Fact]
    public async Task Each_kind_of_change_is_told_with_its_path()
    {
        await using var host = new AgentHost();
        await using var watch = await host.Agent.Files.WatchAsync(host.Root, recursive: false, "root", Deadline);
        await ProcessOutput.RunAsync(host.Agent, $"cd {host.Root}; echo 1 > a; chmod 600 a; mv a b; rm b; mkdir d; mv d /tmp/$$ && rmdir /tmp/$$", Deadline);
        var root = host.Root;
        Assert.Equal(
            [
                new(FileEventKind.Created, $"{root}/a", ""), new(FileEventKind.Modified, $"{root}/a", ""), new(FileEventKind.Attributes, $"{root}/a", ""),
                new(FileEventKind.Moved, $"{root}/b", $"{root}/a"), new(FileEventKind.Removed, $"{root}/b", ""),
                new(FileEventKind.Created, $"{root}/d", ""), new(FileEventKind.Removed, $"{root}/d", ""),
            ],
            await ReadUntilAsync(watch, e => e.Kind == FileEventKind.Removed && e.Path == $"{root}/d"));
    }

    [Fact]
    public async Task A_recursive_watch_follows_directories_that_are_made_and_moved()
    {
        await using var host = new AgentHost();
        Directory.CreateDirectory(host.PathOf("root/old/deep"));
        await using var watch = await host.Agent.Files.WatchAsync(host.Root, recursive: true, "root", Deadline);
        await ProcessOutput.RunAsync(host.Agent, $"cd {host.Root}; echo 1 > old/deep/one; mkdir -p new/er; echo 2 > new/er/two", Deadline);
        var events = await ReadUntilAsync(watch, e => e.Path.EndsWith("/two", StringComparison.Ordinal));
        Assert.Contains(new FileEvent(FileEventKind.Created, $"{host.Root}/old/deep/one", ""), events);
        Assert.Contains(new FileEvent(FileEventKind.Created, $"{host.Root}/new/er", ""), events);

        await ProcessOutput.RunAsync(host.Agent, $"cd {host.Root}; mv old moved; echo 3 > moved/deep/three", Deadline);
        events = await ReadUntilAsync(watch, e => e.Path.EndsWith("/three", StringComparison.Ordinal));
        Assert.Contains(new FileEvent(FileEventKind.Moved, $"{host.Root}/moved", $"{host.Root}/old"), events);
        Assert.Equal($"{host.Root}/moved/deep/three", events[^1].Path);
    }

    [Fact]
    public async Task Two_watches_of_one_directory_are_apart_and_one_ends_without_the_other()
    {
        await using var host = new AgentHost();
        await using var first = await host.Agent.Files.WatchAsync(host.Root, false, "root", Deadline);
        var second = await host.Agent.Files.WatchAsync(host.Root, true, "root", Deadline);
        File.WriteAllText(host.PathOf("root/x"), "");
        await ReadUntilAsync(first, e => e.Path.EndsWith("/x", StringComparison.Ordinal));
        await ReadUntilAsync(second, e => e.Path.EndsWith("/x", StringComparison.Ordinal));
        await second.DisposeAsync();
        await host.Agent.PingAsync(Deadline);
        File.WriteAllText(host.PathOf("root/y"), "");
        await ReadUntilAsync(first, e => e.Path.EndsWith("/y", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_not_there_and_what_may_not_be_read_cannot_be_watched()
    {
        await using var host = new AgentHost();
        Assert.Equal(AgentErrorCode.NotFound, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.WatchAsync(host.PathOf("none"), false, "root", Deadline))).Code);
        Assert.Equal(AgentErrorCode.PermissionDenied, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.WatchAsync("/root", false, "nobody", Deadline))).Code);
    }

    [Fact]
    public async Task More_changes_than_the_consumer_takes_are_told_as_lost_and_the_watch_goes_on()
    {
        await using var host = new AgentHost();
        await using var watch = await host.Agent.Files.WatchAsync(host.Root, false, "root", Deadline);
        await ProcessOutput.RunAsync(host.Agent, $"cd {host.Root}; seq 1 40000 | xargs touch", Deadline);
        await ReadUntilAsync(watch, e => e.Kind == FileEventKind.Overflow);
        File.WriteAllText(host.PathOf("root/last"), "");
        await ReadUntilAsync(watch, e => e.Path.EndsWith("/last", StringComparison.Ordinal));
    }

    private static async Task<List<FileEvent>> ReadUntilAsync(FileWatch watch, Predicate<FileEvent> last)
    {
        var events = new List<FileEvent>();
        await foreach (var next in watch.WithCancellation(Deadline))
        {
            events.Add(next);
            if (last(next))
                return events;
        }
        throw new InvalidOperationException("the watch ended");
    }
}
