using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd;

/// <summary>filesystem.Filesystem: files and directories of a guest, and what happens to them.</summary>
internal sealed partial class FilesystemService(GuestNames names) : IAsyncDisposable
{
    private const int MaxWatchers = 1000, MaxEvents = 10_000;
    private readonly ConcurrentDictionary<string, Watcher> _watchers = new();

    public async Task StatAsync(EnvdCall call, JsonElement request) => await AnswerAsync(call, await EntryInfo.ReadAsync(call, names, PathOf(request, "path")));

    public async Task MakeDirectoryAsync(EnvdCall call, JsonElement request)
    {
        var path = PathOf(request, "path");
        if (await TryStatAsync(call, path) is { } existing)
        {
            throw existing.Kind == FileKind.Directory
                ? new ConnectException("already_exists", $"directory already exists: {existing.Path}")
                : ConnectException.Invalid($"path already exists but it is not a directory: {existing.Path}");
        }
        await call.Agent.Files.MakeDirectoryAsync(path, call.User, call.Aborted);
        await AnswerAsync(call, await EntryInfo.ReadAsync(call, names, path));
    }

    public async Task MoveAsync(EnvdCall call, JsonElement request)
    {
        var (source, destination) = (PathOf(request, "source"), PathOf(request, "destination"));
        await call.Agent.Files.StatAsync(source, call.User, call.Aborted); // a missing source is said before anything is made
        if (Path.GetDirectoryName(destination) is { Length: > 0 } parent)
            await call.Agent.Files.MakeDirectoryAsync(parent, call.User, call.Aborted);
        await call.Agent.Files.MoveAsync(source, destination, call.User, call.Aborted);
        await AnswerAsync(call, await EntryInfo.ReadAsync(call, names, destination));
    }

    public async Task ListAsync(EnvdCall call, JsonElement request)
    {
        var files = await call.Agent.Files.ListAsync(PathOf(request, "path"), (int)Math.Clamp(request.Number("depth") ?? 1, 1, 64), call.User, call.Aborted);
        var entries = new List<EntryInfo>(files.Count);
        foreach (var file in files)
            entries.Add(await EntryInfo.CompleteAsync(call, names, file));
        await call.AnswerAsync(writer =>
        {
            writer.WriteStartArray("entries");
            foreach (var entry in entries)
                entry.Write(writer);
            writer.WriteEndArray();
        });
    }

    public static async Task RemoveAsync(EnvdCall call, JsonElement request)
    {
        try
        {
            await call.Agent.Files.RemoveAsync(PathOf(request, "path"), recursive: true, call.User, call.Aborted);
        }
        catch (AgentException e) when (ConnectException.Of(e).Code == "not_found")
        {
            // what is not there needs no removing
        }
        await call.AnswerAsync(_ => { });
    }

    public async Task WatchAsync(EnvdCall call, ConnectStream stream, JsonElement request)
    {
        var (watch, root) = await OpenAsync(call, request);
        await using (watch)
        {
            await stream.StartAsync();
            await stream.SendAsync(writer => WriteMessage(writer, "start", () => { }));
            var withEntry = request.Flag("includeEntry") ?? false;
            var events = watch.GetAsyncEnumerator(call.Aborted);
            var next = events.MoveNextAsync().AsTask();
            while (true)
            {
                if (!next.IsCompleted && await Task.WhenAny(next, Task.Delay(call.KeepAlive, call.Aborted)) != next && !call.Aborted.IsCancellationRequested)
                {
                    await stream.SendAsync(writer => WriteMessage(writer, "keepalive", () => { }));
                    continue;
                }
                if (!await next)
                    return;
                foreach (var (name, type) in EventsOf(events.Current, root))
                {
                    var entry = withEntry && type is not ("EVENT_TYPE_REMOVE" or "EVENT_TYPE_RENAME") ? await TryReadEntryAsync(call, Path.Combine(root, name)) : null;
                    await stream.SendAsync(writer => WriteMessage(writer, "filesystem", () => WriteEvent(writer, name, type, entry)));
                }
                next = events.MoveNextAsync().AsTask();
            }
        }
    }

    public async Task CreateWatcherAsync(EnvdCall call, JsonElement request)
    {
        if (_watchers.Count >= MaxWatchers)
            throw new ConnectException("resource_exhausted", $"there are {MaxWatchers} watchers already");
        var (watch, root) = await OpenAsync(call, request);
        var id = RandomNumberGenerator.GetHexString(16, lowercase: true);
        var watcher = new Watcher(call.Sandbox.Id, watch, root);
        _watchers[id] = watcher;
        _ = watcher.CollectAsync().ContinueWith(_ => _watchers.TryRemove(id, out var _), TaskScheduler.Default);
        await call.AnswerAsync(writer => writer.WriteString("watcherId", id));
    }

    public async Task GetWatcherEventsAsync(EnvdCall call, JsonElement request)
    {
        var watcher = WatcherOf(call, request);
        await call.AnswerAsync(writer =>
        {
            writer.WriteStartArray("events");
            foreach (var next in watcher.Take().SelectMany(next => EventsOf(next, watcher.Root)))
            {
                writer.WriteStartObject();
                WriteEvent(writer, next.Name, next.Type, null);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        });
    }

    public async Task RemoveWatcherAsync(EnvdCall call, JsonElement request)
    {
        var watcher = WatcherOf(call, request);
        _watchers.TryRemove(request.Text("watcherId"), out _);
        await watcher.DisposeAsync();
        await call.AnswerAsync(_ => { });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var watcher in _watchers.Values)
            await watcher.DisposeAsync();
    }

    private static async Task<(FileWatch Watch, string Root)> OpenAsync(EnvdCall call, JsonElement request)
    {
        var stat = await call.Agent.Files.StatAsync(PathOf(request, "path"), call.User, call.Aborted);
        if (stat.Kind is not (FileKind.Directory or FileKind.Link))
            throw ConnectException.Invalid($"path {stat.Path} is not a directory");
        return (await call.Agent.Files.WatchAsync(stat.Path, request.Flag("recursive") ?? false, call.User, call.Aborted), stat.Path);
    }

    private Watcher WatcherOf(EnvdCall call, JsonElement request) =>
        _watchers.TryGetValue(request.Text("watcherId"), out var watcher) && watcher.Sandbox == call.Sandbox.Id
            ? watcher
            : throw new ConnectException("not_found", $"watcher with id {request.Text("watcherId")} not found");

    // A move is two events there: the old name goes, the new one comes. Our own drafts are not shown: a file that appears as a whole was written.
    private static IEnumerable<(string Name, string Type)> EventsOf(FileEvent next, string root)
    {
        if (IsDraft(next.Path))
            yield break;
        var fromDraft = next.Kind == FileEventKind.Moved && IsDraft(next.From);
        if (next.Kind == FileEventKind.Moved && next.From.Length > 0 && !fromDraft)
            yield return (Relative(root, next.From), "EVENT_TYPE_RENAME");
        var type = next.Kind switch
        {
            FileEventKind.Created or FileEventKind.Moved => "EVENT_TYPE_CREATE",
            FileEventKind.Modified => "EVENT_TYPE_WRITE",
            FileEventKind.Removed => "EVENT_TYPE_REMOVE",
            FileEventKind.Attributes => "EVENT_TYPE_CHMOD",
            _ => null, // lost events have no name there
        };
        if (type is not null)
            yield return (Relative(root, next.Path), type);
        if (fromDraft)
            yield return (Relative(root, next.Path), "EVENT_TYPE_WRITE");
    }

    // The agent's FileDraft names them NAME.mitos-TOKEN.
    private static bool IsDraft(string path) => DraftName().IsMatch(path);

    [GeneratedRegex(@"\.mitos-[0-9a-f]{12}$")]
    private static partial Regex DraftName();

    private static string Relative(string root, string path) => Path.GetRelativePath(root, path);

    private static void WriteMessage(Utf8JsonWriter writer, string kind, Action write)
    {
        writer.WriteStartObject();
        writer.WriteStartObject(kind);
        write();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteEvent(Utf8JsonWriter writer, string name, string type, EntryInfo? entry)
    {
        writer.WriteString("name", name);
        writer.WriteString("type", type);
        entry?.Write(writer, "entry");
    }

    private async Task<EntryInfo?> TryReadEntryAsync(EnvdCall call, string path)
    {
        try
        {
            return await EntryInfo.ReadAsync(call, names, path);
        }
        catch (AgentException)
        {
            return null; // gone since
        }
    }

    private static async Task<GuestFile?> TryStatAsync(EnvdCall call, string path)
    {
        try
        {
            return await call.Agent.Files.StatAsync(path, call.User, call.Aborted);
        }
        catch (AgentException e) when (ConnectException.Of(e).Code == "not_found")
        {
            return null;
        }
    }

    private static Task AnswerAsync(EnvdCall call, EntryInfo entry) => call.AnswerAsync(writer => entry.Write(writer, "entry"));

    private static string PathOf(JsonElement request, string name) =>
        request.Text(name) is { Length: > 0 } path ? path : throw ConnectException.Invalid($"{name} is required");

    /// <summary>A watch whose events wait to be fetched.</summary>
    private sealed class Watcher(SandboxId sandbox, FileWatch watch, string root) : IAsyncDisposable
    {
        private readonly ConcurrentQueue<FileEvent> _events = new();

        public SandboxId Sandbox => sandbox;

        public string Root => root;

        public async Task CollectAsync()
        {
            await foreach (var next in watch)
            {
                _events.Enqueue(next);
                while (_events.Count > MaxEvents)
                    _events.TryDequeue(out _);
            }
        }

        public IEnumerable<FileEvent> Take()
        {
            while (_events.TryDequeue(out var next))
                yield return next;
        }

        public ValueTask DisposeAsync() => watch.DisposeAsync();
    }
}
