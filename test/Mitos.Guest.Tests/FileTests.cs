using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Guest.Tests.Hosting;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class FileTests
{
    private static CancellationToken Deadline => AgentHost.Deadline;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(48 << 10)]
    [InlineData((48 << 10) + 1)]
    [InlineData(3_000_000)]
    public async Task A_file_is_written_whole_and_read_back_and_leaves_no_draft(int length)
    {
        await using var host = new AgentHost();
        var path = host.PathOf("new/folder/file");
        var bytes = RandomNumberGenerator.GetBytes(length);
        Assert.Equal(length, await host.Agent.Files.WriteAsync(path, new MemoryStream(bytes), 0, "root", Deadline));
        Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(Path.GetDirectoryName(path)!));
        var copy = new MemoryStream();
        Assert.Equal(length, await host.Agent.Files.ReadAsync(path, copy, "root", Deadline));
        Assert.Equal(bytes, copy.ToArray());
    }

    [Fact]
    public async Task A_part_of_a_file_is_read_from_an_offset()
    {
        await using var host = new AgentHost();
        File.WriteAllText(host.PathOf("f"), "0123456789");
        var copy = new MemoryStream();
        await host.Agent.Files.ReadAsync(host.PathOf("f"), copy, "root", Deadline, offset: 3, length: 4);
        Assert.Equal("3456"u8.ToArray(), copy.ToArray());
        Assert.Equal(0, await host.Agent.Files.ReadAsync(host.PathOf("f"), copy, "root", Deadline, offset: 99));
    }

    [Fact]
    public async Task Files_of_the_kernel_that_say_they_are_empty_are_read_to_their_end()
    {
        await using var host = new AgentHost();
        var copy = new MemoryStream();
        Assert.True(await host.Agent.Files.ReadAsync("/proc/cpuinfo", copy, "root", Deadline) > 100);
    }

    [Fact]
    public async Task A_mode_is_set_or_that_of_the_replaced_file_kept()
    {
        await using var host = new AgentHost();
        var path = host.PathOf("script");
        await host.Agent.Files.WriteAsync(path, new MemoryStream([1]), 0, "root", Deadline);
        Assert.Equal(0x1A4, (await host.Agent.Files.StatAsync(path, "root", Deadline)).Mode);
        await host.Agent.Files.WriteAsync(path, new MemoryStream([1]), 0x1ED, "root", Deadline);
        await host.Agent.Files.WriteAsync(path, new MemoryStream([2]), 0, "root", Deadline);
        Assert.Equal(0x1ED, (await host.Agent.Files.StatAsync(path, "root", Deadline)).Mode);
    }

    [Fact]
    public async Task Stat_tells_what_a_path_is_and_does_not_follow_links()
    {
        await using var host = new AgentHost();
        File.WriteAllText(host.PathOf("file"), "12345");
        File.CreateSymbolicLink(host.PathOf("link"), "file");
        var file = await host.Agent.Files.StatAsync(host.PathOf("file"), "root", Deadline);
        Assert.Equal((FileKind.File, 5L, 0u, 0u, ""), (file.Kind, file.Size, file.UserId, file.GroupId, file.LinkTarget));
        Assert.Equal(File.GetLastWriteTimeUtc(host.PathOf("file")), file.ModifiedAt.UtcDateTime, TimeSpan.FromMilliseconds(1));
        var link = await host.Agent.Files.StatAsync(host.PathOf("link"), "root", Deadline);
        Assert.Equal((FileKind.Link, "file"), (link.Kind, link.LinkTarget));
        Assert.Equal(FileKind.Directory, (await host.Agent.Files.StatAsync("/", "root", Deadline)).Kind);
        Assert.Equal(FileKind.Other, (await host.Agent.Files.StatAsync("/dev/null", "root", Deadline)).Kind);
    }

    [Fact]
    public async Task A_listing_is_sorted_goes_as_deep_as_asked_and_may_be_long()
    {
        await using var host = new AgentHost();
        var many = Directory.CreateDirectory(host.PathOf("many")).FullName;
        await ProcessOutput.RunAsync(host.Agent, $"cd {many}; mkdir -p a/b/c; for i in $(seq 1000 9000); do echo file-with-a-rather-long-name-$i; done | xargs touch; touch a/b/x", Deadline);
        var flat = await host.Agent.Files.ListAsync(many, 1, "root", Deadline);
        Assert.Equal(8002, flat.Count);
        Assert.Equal(Directory.GetFileSystemEntries(many).Order(StringComparer.Ordinal), flat.Select(file => file.Path));
        var deep = await host.Agent.Files.ListAsync(many + "/a", 2, "root", Deadline);
        Assert.Equal(["b", "b/c", "b/x"], deep.Select(file => Path.GetRelativePath(many + "/a", file.Path)));
        await ProcessOutput.RunAsync(host.Agent, $"cd {many}; seq 1 3000 | xargs touch", Deadline);
        var error = await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.ListAsync(many, 1, "root", Deadline));
        Assert.Equal(AgentErrorCode.Exhausted, error.Code);
    }

    [Fact]
    public async Task Directories_are_made_moved_and_removed()
    {
        await using var host = new AgentHost();
        var files = host.Agent.Files;
        await files.MakeDirectoryAsync(host.PathOf("a/b/c"), "root", Deadline);
        await files.MakeDirectoryAsync(host.PathOf("a/b/c"), "root", Deadline);
        File.CreateSymbolicLink(host.PathOf("a/link"), "/etc");
        await files.MoveAsync(host.PathOf("a"), host.PathOf("z"), "root", Deadline);
        Assert.True(Directory.Exists(host.PathOf("z/b/c")));
        Assert.Equal(39, (await Assert.ThrowsAsync<AgentException>(() => files.RemoveAsync(host.PathOf("z"), recursive: false, "root", Deadline))).Errno);
        await files.RemoveAsync(host.PathOf("z"), recursive: true, "root", Deadline);
        Assert.False(Directory.Exists(host.PathOf("z")));
        Assert.True(File.Exists("/etc/passwd"));
    }

    [Fact]
    public async Task A_tree_as_deep_as_paths_can_be_is_removed()
    {
        await using var host = new AgentHost();
        await ProcessOutput.RunAsync(host.Agent, $"cd {host.Root}; mkdir -p $(yes d | head -1900 | tr '\\n' /)", Deadline);
        await host.Agent.Files.RemoveAsync(host.PathOf("root/d"), recursive: true, "root", Deadline);
        Assert.False(Directory.Exists(host.PathOf("root/d")));
    }

    [Fact]
    public async Task A_user_sees_and_changes_only_what_is_his()
    {
        await using var host = new AgentHost();
        var files = host.Agent.Files;
        File.WriteAllText(host.PathOf("secret"), "s");
        File.SetUnixFileMode(host.PathOf("secret"), UnixFileMode.UserRead);
        Directory.CreateDirectory(host.PathOf("open"));
        File.SetUnixFileMode(host.PathOf("open"), (UnixFileMode)0x1FF);
        await Denied(files.ReadAsync(host.PathOf("secret"), Stream.Null, "nobody", Deadline));
        await Denied(files.WriteAsync(host.PathOf("new"), new MemoryStream([1]), 0, "nobody", Deadline));
        await Denied(files.RemoveAsync(host.PathOf("secret"), false, "nobody", Deadline));
        await Denied(files.ListAsync("/root", 1, "nobody", Deadline));
        await files.WriteAsync(host.PathOf("open/mine"), new MemoryStream([1]), 0, "nobody", Deadline);
        Assert.Equal(65534u, (await files.StatAsync(host.PathOf("open/mine"), "root", Deadline)).UserId);
        Assert.Equal(1, await files.ReadAsync(host.PathOf("secret"), Stream.Null, "root", Deadline)); // and root is root again

        static async Task Denied(Task task) => Assert.Equal(AgentErrorCode.PermissionDenied, (await Assert.ThrowsAsync<AgentException>(() => task)).Code);
    }

    [Fact]
    public async Task Root_uses_files_for_a_user_who_owns_what_is_made_and_written()
    {
        await using var host = new AgentHost();
        var files = host.Agent.FilesAsRoot;
        var (closed, old) = (host.PathOf("closed"), host.PathOf("closed/old"));
        Directory.CreateDirectory(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(old, "s");
        File.SetUnixFileMode(old, (UnixFileMode)0x9ED); // 04755
        Assert.Equal(1, await files.ReadAsync(old, Stream.Null, "nobody", Deadline));
        Assert.Equal("old", Path.GetFileName(Assert.Single(await files.ListAsync(closed, 1, "nobody", Deadline)).Path));
        await files.WriteAsync(Path.Combine(closed, "a/b/new"), new MemoryStream([1]), 0, "nobody", Deadline);
        await files.MakeDirectoryAsync(Path.Combine(closed, "c/d"), "nobody", Deadline);
        await files.WriteAsync(old, new MemoryStream([2]), 0, "nobody", Deadline);
        foreach (var (path, owner, mode) in new[] { ("", 0u, 0x1C0), ("a", 65534u, 0x1ED), ("a/b", 65534u, 0x1ED), ("a/b/new", 65534u, 0x1A4), ("c", 65534u, 0x1ED), ("c/d", 65534u, 0x1ED), ("old", 65534u, 0x1ED) })
        {
            var file = await files.StatAsync(Path.Combine(closed, path), "nobody", Deadline);
            Assert.Equal((path, owner, owner, mode), (path, file.UserId, file.GroupId, file.Mode));
        }
        await using (await files.WatchAsync(closed, false, "nobody", Deadline))
            await files.MoveAsync(old, Path.Combine(closed, "moved"), "nobody", Deadline);
        await files.RemoveAsync(closed, recursive: true, "nobody", Deadline);
        Assert.False(Directory.Exists(closed));
        Assert.Equal("/nonexistent/x", (await Assert.ThrowsAsync<AgentException>(() => files.StatAsync("x", "nobody", Deadline))).Message.Split('\'')[1]); // his home
        Assert.Equal(AgentErrorCode.PermissionDenied, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.ListAsync("/root", 1, "nobody", Deadline))).Code); // and he himself may what he may
        Assert.Equal(AgentErrorCode.UnknownUser, (await Assert.ThrowsAsync<AgentException>(() => files.StatAsync("/", "no-such-user", Deadline))).Code);
    }

    [Fact]
    public async Task A_directory_that_goes_while_it_is_listed_is_left_out()
    {
        await using var host = new AgentHost();
        await using var churn = await host.Agent.StartAsync(ProcessOutput.Shell($"cd {host.Root}; touch stays; while :; do mkdir -p d/0/x d/1/x d/2/x d/3/x d/4/x d/5/x d/6/x d/7/x; rm -r d; done"), Deadline);
        for (var i = 0; i < 300; i++)
            await host.Agent.Files.ListAsync(host.Root, 3, "root", Deadline);
        await churn.SignalAsync(9, group: true, Deadline);
        await churn.Exit.WaitAsync(Deadline);
        Assert.Contains(await host.Agent.Files.ListAsync(host.Root, 3, "root", Deadline), file => file.Path.EndsWith("/stays", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/no/such/file", AgentErrorCode.NotFound)]
    [InlineData("", AgentErrorCode.InvalidArgument)]
    [InlineData("/a\0b", AgentErrorCode.InvalidArgument)]
    public async Task A_bad_path_is_refused(string path, AgentErrorCode code)
    {
        await using var host = new AgentHost();
        Assert.Equal(code, (await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.StatAsync(path, "root", Deadline))).Code);
    }

    [Fact]
    public async Task A_path_of_5000_characters_is_refused_and_relative_ones_begin_at_home()
    {
        await using var host = new AgentHost();
        var error = await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.StatAsync("/" + new string('x', 5000), "root", Deadline));
        Assert.Equal(AgentErrorCode.InvalidArgument, error.Code);
        Assert.Contains("4095", error.Message);
        Assert.Equal("/root", (await host.Agent.Files.StatAsync("~", "root", Deadline)).Path);
        Assert.Equal("/etc/passwd", (await host.Agent.Files.StatAsync("../etc/passwd", "root", Deadline)).Path);
    }

    [Fact]
    public async Task A_full_disk_is_an_error_with_its_number_and_nothing_is_left()
    {
        await using var host = new AgentHost();
        await ProcessOutput.RunAsync(host.Agent, $"mkdir {host.Root}/small && mount -t tmpfs -o size=1m none {host.Root}/small", Deadline);
        try
        {
            var error = await Assert.ThrowsAsync<AgentException>(() => host.Agent.Files.WriteAsync(host.PathOf("root/small/big"), new MemoryStream(new byte[4 << 20]), 0, "root", Deadline));
            Assert.Equal((AgentErrorCode.Exhausted, 28), (error.Code, error.Errno));
            Assert.Empty(Directory.GetFiles(host.PathOf("root/small")));
        }
        finally
        {
            await ProcessOutput.RunAsync(host.Agent, $"umount {host.Root}/small", Deadline);
        }
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_the_old_file_and_nothing_else()
    {
        await using var host = new AgentHost();
        File.WriteAllText(host.PathOf("root/file"), "old");
        await Assert.ThrowsAsync<IOException>(() => host.Agent.Files.WriteAsync(host.PathOf("root/file"), new BrokenSource(), 0, "root", Deadline));
        Assert.Equal([host.PathOf("root/file")], Directory.GetFiles(host.Root));
        Assert.Equal("old", File.ReadAllText(host.PathOf("root/file")));
    }

    [Fact]
    public async Task A_name_of_255_bytes_can_be_written()
    {
        await using var host = new AgentHost();
        var path = host.PathOf("root/" + new string('n', 255));
        await host.Agent.Files.WriteAsync(path, new MemoryStream([1, 2]), 0, "root", Deadline);
        Assert.Equal([path], Directory.GetFiles(host.Root));
    }

    private sealed class BrokenSource : MemoryStream
    {
        private int _read;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ++_read <= 5 ? ValueTask.FromResult(buffer.Length) : throw new IOException("the source broke");
    }
}
