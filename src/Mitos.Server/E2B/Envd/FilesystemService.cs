using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;

namespace Mitos.Server.E2B.Envd;

/// <summary>filesystem.Filesystem, but for its watches: files and directories of a guest.</summary>
internal sealed class FilesystemService
{
    private const int MaxDepth = 64;
    private readonly GuestEntries _entries;

    public FilesystemService(GuestEntries entries)
    {
        _entries = entries;
        Methods = new Dictionary<string, ConnectMethod>
        {
            ["/filesystem.Filesystem/Stat"] = ConnectMethod.Unary<StatRequest, StatResponse>(StatAsync),
            ["/filesystem.Filesystem/MakeDir"] = ConnectMethod.Unary<MakeDirRequest, MakeDirResponse>(MakeDirectoryAsync),
            ["/filesystem.Filesystem/Move"] = ConnectMethod.Unary<MoveRequest, MoveResponse>(MoveAsync),
            ["/filesystem.Filesystem/ListDir"] = ConnectMethod.Unary<ListDirRequest, ListDirResponse>(ListAsync),
            ["/filesystem.Filesystem/Remove"] = ConnectMethod.Unary<RemoveRequest, RemoveResponse>(RemoveAsync),
        };
    }

    public IReadOnlyDictionary<string, ConnectMethod> Methods { get; }

    /// <exception cref="ConnectException">invalid_argument: it is empty.</exception>
    public static string Required(string? path, string name = "path") => path is { Length: > 0 } ? path : throw ConnectException.Invalid($"{name} is required");

    private async Task<StatResponse> StatAsync(EnvdCall call, StatRequest request) => new() { Entry = await _entries.ReadAsync(call, Required(request.Path)) };

    private async Task<MakeDirResponse> MakeDirectoryAsync(EnvdCall call, MakeDirRequest request)
    {
        var path = Required(request.Path);
        if (await _entries.TryReadAsync(call, path) is { } existing)
        {
            throw existing.Type == FileType.Directory
                ? new ConnectException("already_exists", $"directory already exists: {existing.Path}")
                : ConnectException.Invalid($"path already exists but it is not a directory: {existing.Path}");
        }
        await call.Files.MakeDirectoryAsync(path, call.User, call.Ended);
        return new MakeDirResponse { Entry = await _entries.ReadAsync(call, path) };
    }

    private async Task<MoveResponse> MoveAsync(EnvdCall call, MoveRequest request)
    {
        var (source, destination) = (Required(request.Source, "source"), Required(request.Destination, "destination"));
        await call.Files.StatAsync(source, call.User, call.Ended); // a missing source is said before anything is made
        if (Path.GetDirectoryName(destination) is { Length: > 0 } parent)
            await call.Files.MakeDirectoryAsync(parent, call.User, call.Ended);
        await call.Files.MoveAsync(source, destination, call.User, call.Ended);
        return new MoveResponse { Entry = await _entries.ReadAsync(call, destination) };
    }

    private async Task<ListDirResponse> ListAsync(EnvdCall call, ListDirRequest request)
    {
        var response = new ListDirResponse();
        try
        {
            foreach (var file in await call.Files.ListAsync(Required(request.Path), (int)Math.Clamp(request.Depth, 1, MaxDepth), call.User, call.Ended))
                response.Entries.Add(await _entries.DescribeAsync(call, file));
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.Exhausted)
        {
            throw new ConnectException("failed_precondition", e.Message); // clients take resource_exhausted for a limit of their rate, and come again
        }
        return response;
    }

    private static async Task<RemoveResponse> RemoveAsync(EnvdCall call, RemoveRequest request)
    {
        try
        {
            await call.Files.RemoveAsync(Required(request.Path), recursive: true, call.User, call.Ended);
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.NotFound)
        {
            // what is not there needs no removing
        }
        return new RemoveResponse();
    }
}
