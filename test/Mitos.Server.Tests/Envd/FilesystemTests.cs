using System.Text.Json;
using Google.Protobuf;
using Mitos.Contracts;
using Mitos.Server.E2B.Envd.Wire;
using MoveRequest = Mitos.Server.E2B.Envd.Wire.MoveRequest;

namespace Mitos.Server.Tests.Envd;

public sealed class FilesystemTests(ServerFixture server)
{
    private const string Service = "filesystem.Filesystem/";

    public static TheoryData<string> Forms => ["json", "proto"];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Directories_are_made_listed_moved_and_removed(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var root = NewPath();
        var made = (await client.CallAsync<MakeDirResponse>(Service + "MakeDir", new MakeDirRequest { Path = $"{root}/a/b" })).Entry;
        Assert.Equal(("b", FileType.Directory, $"{root}/a/b", 0x1EDu, "drwxr-xr-x", "user", "user"), (made.Name, made.Type, made.Path, made.Mode, made.Permissions, made.Owner, made.Group));
        await RefusesAsync<MakeDirResponse>("already_exists", 409, client, "MakeDir", new MakeDirRequest { Path = $"{root}/a" });
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = $"cd {root} && echo hello > a/file && ln -s a/file link && ln -s nowhere lost && ln -s a dir && chown -R 1000:1000 .", User = "root" });
        await RefusesAsync<MakeDirResponse>("invalid_argument", 400, client, "MakeDir", new MakeDirRequest { Path = $"{root}/a/file" });
        await RefusesAsync<MakeDirResponse>("already_exists", 409, client, "MakeDir", new MakeDirRequest { Path = $"{root}/dir" });

        Assert.Equal(["a", "dir", "link", "lost"], (await ListAsync(1)).Select(entry => entry.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["a", "dir", "link", "lost"], (await ListAsync(0)).Select(entry => entry.Name).Order(StringComparer.Ordinal));
        var all = (await ListAsync(2)).ToDictionary(entry => entry.Path[(root.Length + 1)..]);
        Assert.Equal(["a", "a/b", "a/file", "dir", "link", "lost"], all.Keys.Order(StringComparer.Ordinal));
        Assert.Equal((FileType.File, 6L, "-rw-r--r--", false), (all["a/file"].Type, all["a/file"].Size, all["a/file"].Permissions, all["a/file"].IsSymlink));
        Assert.Equal((FileType.File, $"{root}/a/file", true), (all["link"].Type, all["link"].SymlinkTarget, all["link"].IsSymlink));
        Assert.Equal((FileType.Symlink, $"{root}/nowhere", true), (all["lost"].Type, all["lost"].SymlinkTarget, all["lost"].IsSymlink));
        await RefusesAsync<ListDirResponse>("invalid_argument", 400, client, "ListDir", new ListDirRequest { Path = $"{root}/a/file", Depth = 1 });
        await RefusesAsync<ListDirResponse>("not_found", 404, client, "ListDir", new ListDirRequest { Path = $"{root}/none", Depth = 1 });

        var moved = (await client.CallAsync<MoveResponse>(Service + "Move", new MoveRequest { Source = $"{root}/a", Destination = $"{root}/new/parents/c" })).Entry;
        Assert.Equal($"{root}/new/parents/c", moved.Path);
        await RefusesAsync<MoveResponse>("not_found", 404, client, "Move", new MoveRequest { Source = $"{root}/a", Destination = $"{root}/never/made" });
        await RefusesAsync<StatResponse>("not_found", 404, client, "Stat", new StatRequest { Path = $"{root}/never" });
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });
        await RefusesAsync<StatResponse>("not_found", 404, client, "Stat", new StatRequest { Path = root });

        async Task<IEnumerable<EntryInfo>> ListAsync(uint depth) => (await client.CallAsync<ListDirResponse>(Service + "ListDir", new ListDirRequest { Path = root, Depth = depth })).Entries;
    }

    [Theory]
    [InlineData("Stat", "", "invalid_argument", 400)]
    [InlineData("Stat", "/a\0b", "invalid_argument", 400)]
    [InlineData("Stat", "/etc/passwd/x", "invalid_argument", 400)]
    [InlineData("Stat", "/root/none", "not_found", 404)]
    public async Task A_path_that_cannot_be_is_refused(string method, string path, string code, int status)
    {
        using var client = await EnvdClient.ShareAsync(server);
        await RefusesAsync<StatResponse>(code, status, client, method, new StatRequest { Path = path });
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Files_are_used_as_root_for_a_user_who_owns_what_is_made(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var root = $"/srv/{Guid.NewGuid():N}";
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = $"mkdir -m 700 -p {root}/closed {root}/closed/below && echo secret > {root}/closed/file && chmod 600 {root}/closed/file", User = "root" });
        Assert.Equal("root", (await client.CallAsync<StatResponse>(Service + "Stat", new StatRequest { Path = $"{root}/closed/file" })).Entry.Owner);
        Assert.Equal(["below", "closed", "file"], (await client.CallAsync<ListDirResponse>(Service + "ListDir", new ListDirRequest { Path = root, Depth = 2 })).Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        var made = (await client.CallAsync<MakeDirResponse>(Service + "MakeDir", new MakeDirRequest { Path = $"{root}/closed/new/deep" })).Entry;
        Assert.Equal(("user", "user", "drwxr-xr-x"), (made.Owner, made.Group, made.Permissions));
        using var stream = await client.OpenAsync(Service + "WatchDir", new WatchDirRequest { Path = $"{root}/closed" });
        Assert.NotNull((await stream.ReadAsync<WatchDirResponse>())!.Start);
        await client.CallAsync<MoveResponse>(Service + "Move", new MoveRequest { Source = $"{root}/closed/file", Destination = $"{root}/parents/of/file" });
        Assert.Equal("user", (await client.CallAsync<StatResponse>(Service + "Stat", new StatRequest { Path = $"{root}/parents/of" })).Entry.Owner);
        Assert.Equal("root", (await client.CallAsync<StatResponse>(Service + "Stat", new StatRequest { Path = $"{root}/parents/of/file" })).Entry.Owner);
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });
        await RefusesAsync<StatResponse>("not_found", 404, client, "Stat", new StatRequest { Path = root });
    }

    [Fact]
    public async Task A_list_that_is_too_long_says_so_with_a_code_that_is_no_limit_of_a_rate()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var root = NewPath();
        await server.Client.ExecAsync(client.Id, new ExecRequest { Cmd = $"mkdir {root} && cd {root} && seq 1 10001 | xargs touch" });
        var error = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<ListDirResponse>(Service + "ListDir", new ListDirRequest { Path = root }));
        Assert.Equal(("failed_precondition", 400), (error.Code, error.Status));
        Assert.Contains("more than 10000 entries", error.Message, StringComparison.Ordinal);
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });
    }

    [Theory]
    [InlineData("filesystem.Filesystem/Stat", "text/plain", "application/json, application/proto")]
    [InlineData("process.Process/Start", "application/json", "application/connect+json, application/connect+proto")]
    public async Task A_content_type_that_is_not_known_is_refused_with_a_code(string method, string type, string known)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var content = new ByteArrayContent([]) { Headers = { ContentType = new(type) } };
        using var response = await client.Http.PostAsync(method, content);
        Assert.Equal((415, known), ((int)response.StatusCode, response.Headers.GetValues("Accept-Post").Single()));
        var error = EnvdError.Read(JsonSerializer.Deserialize<JsonElement>(await response.Content.ReadAsStringAsync()), 415);
        Assert.Equal("invalid_argument", error.Code);
        Assert.Contains(known, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_who_is_not_there_is_not_authenticated()
    {
        using var client = await EnvdClient.ShareAsync(server);
        var error = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<StatResponse>(Service + "Stat", new StatRequest { Path = "/" }, "root123"));
        Assert.Equal(("unauthenticated", 401, "invalid username: 'root123'"), (error.Code, error.Status, error.Message));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_watch_begins_with_a_start_and_tells_what_happens_in_directories_made_later_too(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var root = NewPath();
        await client.CallAsync<MakeDirResponse>(Service + "MakeDir", new MakeDirRequest { Path = root });
        using var stream = await client.OpenAsync(Service + "WatchDir", new WatchDirRequest { Path = root, Recursive = true, IncludeEntry = true }, headers: ("Keepalive-Ping-Interval", "1"));
        Assert.NotNull((await stream.ReadAsync<WatchDirResponse>())!.Start);
        Assert.NotNull((await stream.ReadAsync<WatchDirResponse>())!.Keepalive);
        await client.CallAsync<MakeDirResponse>(Service + "MakeDir", new MakeDirRequest { Path = $"{root}/new/deep" });
        Assert.Equal(FileType.Directory, (await ReadUntilAsync("new", EventType.Create)).Entry.Type);
        await ReadUntilAsync("new/deep", EventType.Create);
        using var put = await client.Http.PostAsync($"files?path={root}/new/deep/file", new ByteArrayContent([1, 2, 3]));
        Assert.Equal(3, (await ReadUntilAsync("new/deep/file", EventType.Write)).Entry.Size);
        await client.CallAsync<MoveResponse>(Service + "Move", new MoveRequest { Source = $"{root}/new/deep/file", Destination = $"{root}/new/other" });
        Assert.Null((await ReadUntilAsync("new/deep/file", EventType.Rename)).Entry);
        await ReadUntilAsync("new/other", EventType.Create);
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = $"{root}/new/other" });
        await ReadUntilAsync("new/other", EventType.Remove);
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });

        async Task<FilesystemEvent> ReadUntilAsync(string name, EventType type)
        {
            while (true)
            {
                if ((await stream.ReadAsync<WatchDirResponse>())!.Filesystem is not { } next)
                    continue;
                Assert.DoesNotContain(".mitos-", next.Name, StringComparison.Ordinal);
                if (next.Name == name && next.Type == type)
                    return next;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task The_events_of_a_watcher_wait_to_be_fetched(string form)
    {
        using var client = await EnvdClient.ShareAsync(server, form);
        var root = NewPath();
        await client.CallAsync<MakeDirResponse>(Service + "MakeDir", new MakeDirRequest { Path = root });
        var id = (await client.CallAsync<CreateWatcherResponse>(Service + "CreateWatcher", new CreateWatcherRequest { Path = root, IncludeEntry = true })).WatcherId;
        using var put = await client.Http.PostAsync($"files?path={root}/file", new ByteArrayContent([1]));
        var events = new List<FilesystemEvent>();
        var soon = ServerFixture.Soon;
        while (!events.Exists(next => next is { Name: "file", Type: EventType.Write, Entry.Size: 1 }))
        {
            Assert.False(soon.IsCancellationRequested, string.Join('\n', events));
            await Task.Delay(50);
            events.AddRange((await client.CallAsync<GetWatcherEventsResponse>(Service + "GetWatcherEvents", new GetWatcherEventsRequest { WatcherId = id })).Events);
        }
        await client.CallAsync<RemoveWatcherResponse>(Service + "RemoveWatcher", new RemoveWatcherRequest { WatcherId = id });
        await RefusesAsync<GetWatcherEventsResponse>("not_found", 404, client, "GetWatcherEvents", new GetWatcherEventsRequest { WatcherId = id });
        await client.CallAsync<RemoveResponse>(Service + "Remove", new RemoveRequest { Path = root });
    }

    [Theory]
    [InlineData("/none", "not_found")]
    [InlineData("/etc/passwd", "invalid_argument")]
    public async Task Only_a_directory_is_watched(string path, string code)
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var stream = await client.OpenAsync(Service + "WatchDir", new WatchDirRequest { Path = path });
        Assert.Equal(code, (await Assert.ThrowsAsync<EnvdError>(stream.ReadAsync<WatchDirResponse>)).Code);
        await RefusesAsync<CreateWatcherResponse>(code, code == "not_found" ? 404 : 400, client, "CreateWatcher", new CreateWatcherRequest { Path = path });
    }

    [Fact]
    public async Task A_watch_ends_with_the_clients_time()
    {
        using var client = await EnvdClient.ShareAsync(server);
        using var stream = await client.OpenAsync(Service + "WatchDir", new WatchDirRequest { Path = "/tmp" }, headers: ("Connect-Timeout-Ms", "1000"));
        Assert.NotNull((await stream.ReadAsync<WatchDirResponse>())!.Start);
        Assert.Equal("deadline_exceeded", (await Assert.ThrowsAsync<EnvdError>(async () =>
        {
            while (await stream.ReadAsync<WatchDirResponse>() is not null)
                continue;
        })).Code);
    }

    private static async Task RefusesAsync<T>(string code, int status, EnvdClient client, string method, IMessage request)
        where T : IMessage<T>, new()
    {
        var error = await Assert.ThrowsAsync<EnvdError>(() => client.CallAsync<T>(Service + method, request));
        Assert.Equal((code, status), (error.Code, error.Status));
    }

    private static string NewPath() => $"/home/user/{Guid.NewGuid():N}";
}
