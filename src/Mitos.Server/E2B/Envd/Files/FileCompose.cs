using System.IO.Pipelines;
using System.Text.Json.Serialization;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>Puts files together in the order in which they are named, and removes them.</summary>
internal static class FileCompose
{
    private const int MaxSources = 10_000;

    public static async Task ServeAsync(EnvdCall call)
    {
        if (!HttpMethods.IsPost(call.Context.Request.Method))
        {
            await FileRoutes.RefuseAsync(call.Context, 405, "method not allowed");
            return;
        }
        var request = Parse(await UnaryBody.ReadAsync(call.Context.Request, call.Ended));
        var user = request.Username is { Length: > 0 } named ? named : FileRoutes.UserOf(call);
        var sources = await FindAsync(call, request.SourcePaths, user);
        await RefuseSelfAsync(call, sources, request.Destination, user);
        await CopyAsync(call, sources, request.Destination, user);
        foreach (var source in sources.Select(source => source.Path).Distinct())
            await call.Files.RemoveAsync(source, false, user, call.Ended);
        await FileRoutes.AnswerAsync(call, [await call.Files.StatAsync(request.Destination, user, call.Ended)], isList: false);
    }

    private static ComposeRequest Parse(byte[] body)
    {
        ComposeRequest? request;
        try
        {
            request = WrongJsonException.Read(body, ComposeJson.Default.ComposeRequest);
        }
        catch (WrongJsonException e)
        {
            throw ConnectException.Invalid($"invalid request body: {e.Message}");
        }
        return request switch
        {
            not { SourcePaths.Count: > 0 } => throw ConnectException.Invalid("source_paths must not be empty"),
            { SourcePaths.Count: > MaxSources } => throw ConnectException.Invalid($"source_paths has {request.SourcePaths.Count} paths; at most {MaxSources} are possible"),
            not { Destination.Length: > 0 } => throw ConnectException.Invalid("destination is required"),
            _ => request,
        };
    }

    // All are looked at before anything is written.
    private static async Task<List<GuestFile>> FindAsync(EnvdCall call, List<string?> paths, string user)
    {
        var found = new List<GuestFile>();
        foreach (var path in paths)
        {
            var file = await call.Files.StatAsync(FilesystemService.Required(path, "a source path"), user, call.Ended);
            found.Add(file.Kind == FileKind.File ? file : throw ConnectException.Invalid($"source path is not a regular file: {path}"));
        }
        return found;
    }

    // It would be removed with the others.
    private static async Task RefuseSelfAsync(EnvdCall call, List<GuestFile> sources, string destination, string user)
    {
        try
        {
            var existing = await call.Files.StatAsync(destination, user, call.Ended);
            if (existing.Kind == FileKind.Link && await GuestEntries.FollowAsync(call, existing, user) is { File: { } target })
                existing = target;
            if (sources.Exists(source => source.Path == existing.Path))
                throw ConnectException.Invalid($"source path '{existing.Path}' cannot be the same as destination");
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.NotFound)
        {
            // a new file
        }
    }

    private static async Task CopyAsync(EnvdCall call, List<GuestFile> sources, string destination, string user)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.Ended);
        var pipe = new Pipe();
        var reading = ReadAsync(call, sources, user, pipe.Writer, ending.Token);
        try
        {
            await call.Files.WriteAsync(destination, pipe.Reader.AsStream(leaveOpen: true), 0, user, call.Ended);
        }
        finally
        {
            await ending.CancelAsync();
            await pipe.Reader.CompleteAsync();
            await reading;
        }
    }

    // What goes wrong the writer sees.
    private static async Task ReadAsync(EnvdCall call, List<GuestFile> sources, string user, PipeWriter writer, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            foreach (var source in sources)
                await call.Files.ReadAsync(source.Path, writer.AsStream(leaveOpen: true), user, cancellationToken);
        }
        catch (Exception e)
        {
            failure = e;
        }
        await writer.CompleteAsync(failure);
    }
}

/// <summary>A body that lacks what it must have holds nulls.</summary>
/// <param name="SourcePaths">In this order.</param>
/// <param name="Destination">Replaced when it exists.</param>
/// <param name="Username">Whose file it is then.</param>
internal sealed record ComposeRequest([property: JsonPropertyName("source_paths")] List<string?> SourcePaths, string Destination, string? Username);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ComposeRequest))]
internal sealed partial class ComposeJson : JsonSerializerContext;
