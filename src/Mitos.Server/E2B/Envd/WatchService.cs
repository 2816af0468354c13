using System.Collections.Concurrent;
using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.E2B.Envd;

/// <summary>The watches of filesystem.Filesystem: streams of events, and watchers whose events wait to be fetched.</summary>
internal sealed class WatchService : IAsyncDisposable
{
    private const int MaxWatchers = 256;
    private readonly GuestEntries _entries;
    private readonly ConcurrentDictionary<string, Watcher> _watchers = new();

    public WatchService(GuestEntries entries)
    {
        _entries = entries;
        Methods = new Dictionary<string, ConnectMethod>
        {
            ["/filesystem.Filesystem/WatchDir"] = ConnectMethod.Streaming<WatchDirRequest>(WatchAsync),
            ["/filesystem.Filesystem/CreateWatcher"] = ConnectMethod.Unary<CreateWatcherRequest, CreateWatcherResponse>(CreateAsync),
            ["/filesystem.Filesystem/GetWatcherEvents"] = ConnectMethod.Unary<GetWatcherEventsRequest, GetWatcherEventsResponse>(FetchAsync),
            ["/filesystem.Filesystem/RemoveWatcher"] = ConnectMethod.Unary<RemoveWatcherRequest, RemoveWatcherResponse>(RemoveAsync),
        };
    }

    public IReadOnlyDictionary<string, ConnectMethod> Methods { get; }

    public async ValueTask DisposeAsync()
    {
        foreach (var watcher in _watchers.Values)
            await watcher.DisposeAsync();
    }

    private async Task WatchAsync(EnvdCall call, ConnectStream stream, WatchDirRequest request)
    {
        var (watch, root) = await OpenAsync(call, request.Path, request.Recursive);
        await using (watch)
        {
            await stream.StartAsync();
            await stream.SendAsync(new WatchDirResponse { Start = new WatchDirResponse.Types.StartEvent() });
            await stream.SendAllAsync(watch, async next =>
            {
                foreach (var shown in WatchEvents.Of(next, root))
                    await stream.SendAsync(new WatchDirResponse { Filesystem = await CompleteAsync(call, shown, root, request.IncludeEntry) });
            }, new WatchDirResponse { Keepalive = new WatchDirResponse.Types.KeepAlive() }, call.KeepAlive, call.Ended);
        }
    }

    private async Task<CreateWatcherResponse> CreateAsync(EnvdCall call, CreateWatcherRequest request)
    {
        if (_watchers.Values.Count(watcher => watcher.Sandbox == call.Sandbox.Id) >= MaxWatchers)
            throw new ConnectException("resource_exhausted", $"this sandbox has {MaxWatchers} watchers, which is the limit; remove some first");
        var (watch, root) = await OpenAsync(call, request.Path, request.Recursive);
        var id = RandomNumberGenerator.GetHexString(16, lowercase: true);
        var watcher = new Watcher(call.Sandbox.Id, watch, root, request.IncludeEntry);
        _watchers[id] = watcher;
        _ = watcher.CollectAsync().ContinueWith(_ => _watchers.TryRemove(id, out var _), TaskScheduler.Default);
        return new CreateWatcherResponse { WatcherId = id };
    }

    private async Task<GetWatcherEventsResponse> FetchAsync(EnvdCall call, GetWatcherEventsRequest request)
    {
        var watcher = Find(call, request.WatcherId);
        var response = new GetWatcherEventsResponse();
        foreach (var next in watcher.Take().SelectMany(next => WatchEvents.Of(next, watcher.Root)))
            response.Events.Add(await CompleteAsync(call, next, watcher.Root, watcher.IncludeEntry));
        return response;
    }

    private async Task<RemoveWatcherResponse> RemoveAsync(EnvdCall call, RemoveWatcherRequest request)
    {
        var watcher = Find(call, request.WatcherId);
        _watchers.TryRemove(request.WatcherId, out _);
        await watcher.DisposeAsync();
        return new RemoveWatcherResponse();
    }

    private async Task<(FileWatch Watch, string Root)> OpenAsync(EnvdCall call, string path, bool recursive)
    {
        var entry = await _entries.ReadAsync(call, FilesystemService.Required(path));
        return entry.Type == FileType.Directory
            ? (await call.Files.WatchAsync(entry.Path, recursive, call.User, call.Ended), entry.Path)
            : throw ConnectException.Invalid($"path {entry.Path} is not a directory");
    }

    private async Task<FilesystemEvent> CompleteAsync(EnvdCall call, FilesystemEvent shown, string root, bool withEntry)
    {
        if (withEntry && shown.Type is not (EventType.Remove or EventType.Rename) && await _entries.TryReadAsync(call, Path.Combine(root, shown.Name)) is { } entry)
            shown.Entry = entry;
        return shown;
    }

    private Watcher Find(EnvdCall call, string id) => _watchers.TryGetValue(id, out var watcher) && watcher.Sandbox == call.Sandbox.Id
        ? watcher
        : throw new ConnectException("not_found", $"watcher with id {id} not found");
}
