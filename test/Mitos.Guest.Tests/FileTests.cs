using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Tests;

public sealed class FileTests : IAsyncLifetime
{
    private readonly AgentHost _agent = new();

    private AgentFiles Files => _agent.Client.Files;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _agent.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(49152)]
    [InlineData(49153)]
    [InlineData(20 << 20)]
    public async Task A_file_is_read_as_it_was_written(int length)
    {
        var content = RandomNumberGenerator.GetBytes(length);
        var path = _agent.Root + "/new/folder/file";
        Assert.Equal(length, await Files.WriteAsync(path, new MemoryStream(content), 0x1ED, "root", CancellationToken.None));
        var back = new MemoryStream();
        await Files.ReadAsync(path, back, "root", CancellationToken.None);
        Assert.Equal(content, back.ToArray());
        var stat = await Files.StatAsync(path, "root", CancellationToken.None);
        Assert.Equal((FileKind.File, (long)length, 0x1ED), (stat.Kind, stat.Size, stat.Mode));
        Assert.Single(Directory.GetFiles(_agent.Root + "/new/folder"));
    }

    [Fact]
    public async Task A_write_whose_source_fails_leaves_the_old_file_and_no_draft()
    {
        var path = _agent.Root + "/kept";
        File.WriteAllText(path, "old");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Files.WriteAsync(path, new FailingStream(200_000), 0, "root", CancellationToken.None));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_agent.Root, "kept*"));
    }

    [Fact]
    public async Task Directories_are_made_listed_moved_and_removed()
    {
        var root = _agent.Root + "/tree";
        await Files.MakeDirectoryAsync(root + "/a/b", "root", CancellationToken.None);
        await Files.WriteAsync(root + "/a/f", new MemoryStream([1]), 0, "root", CancellationToken.None);
        Assert.Equal([root + "/a", root + "/a/b", root + "/a/f"], (await Files.ListAsync(root, 3, "root", CancellationToken.None)).Select(file => file.Path));
        Assert.Single(await Files.ListAsync(root, 1, "root", CancellationToken.None));
        await Files.MoveAsync(root + "/a", root + "/c", "root", CancellationToken.None);
        var full = await Assert.ThrowsAsync<AgentException>(() => Files.RemoveAsync(root + "/c", false, "root", CancellationToken.None));
        Assert.Contains("not empty", full.Message, StringComparison.Ordinal);
        await Files.RemoveAsync(root, true, "root", CancellationToken.None);
        Assert.False(Directory.Exists(root));
    }

    [Theory]
    [InlineData("a\0b", AgentErrorCode.InvalidArgument)]
    [InlineData("", AgentErrorCode.InvalidArgument)]
    [InlineData("/no/such/file", AgentErrorCode.NotFound)]
    public async Task Paths_that_cannot_be_are_refused(string path, AgentErrorCode code)
    {
        var error = await Assert.ThrowsAsync<AgentException>(() => Files.StatAsync(path, "root", CancellationToken.None));
        Assert.Equal(code, error.Code);
    }

    [Fact]
    public async Task A_path_of_five_thousand_characters_is_refused()
    {
        var error = await Assert.ThrowsAsync<AgentException>(() => Files.StatAsync("/" + new string('x', 5000), "root", CancellationToken.None));
        Assert.Equal(AgentErrorCode.InvalidArgument, error.Code);
    }

    [Fact]
    public async Task A_file_of_proc_whose_size_reads_as_zero_is_read_whole()
    {
        var back = new MemoryStream();
        await Files.ReadAsync("/proc/cpuinfo", back, "root", CancellationToken.None);
        Assert.True(back.Length > 100);
    }

    [Fact]
    public async Task Another_users_files_are_not_readable()
    {
        var path = _agent.Root + "/secret";
        File.WriteAllText(path, "x");
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        var error = await Assert.ThrowsAsync<AgentException>(() => Files.ReadAsync(path, Stream.Null, "nobody", CancellationToken.None));
        Assert.Equal(AgentErrorCode.PermissionDenied, error.Code);
        await Files.ReadAsync(path, Stream.Null, "root", CancellationToken.None);
    }

    private sealed class FailingStream(int length) : MemoryStream(new byte[length])
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var got = await base.ReadAsync(buffer, cancellationToken);
            return Position < Length ? got : throw new InvalidOperationException("the source failed");
        }
    }
}
