using System.ComponentModel;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/files</summary>
internal static class FileRoutes
{
    private const string Bytes = "application/octet-stream";

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes/{id}/files").WithTags("files").CountCalls();
        group.MapGet("/", ReadAsync).WithName("readFile").WithSummary("Reads a file").Produces<Stream>(200, Bytes);
        group.MapPut("/", WriteAsync).WithName("writeFile").WithSummary("Writes a file as a whole")
            .WithDescription("The body, of any size, is its content. The file appears complete or not at all; directories that are missing are made.").Accepts<Stream>(Bytes);
        group.MapDelete("/", RemoveAsync).WithName("removeFile").WithSummary("Removes a file or directory").Produces(204).WithRequestTimeout(ErrorHandling.GuestLimit);
        group.MapGet("/stat", StatAsync).WithName("statFile").WithSummary("Says what a path is; a link is not followed").WithRequestTimeout(ErrorHandling.GuestLimit);
        group.MapGet("/list", ListAsync).WithName("listFiles").WithSummary("Lists a directory; at most 10,000 entries").WithRequestTimeout(ErrorHandling.GuestLimit);
        group.MapPost("/mkdir", MakeDirectoryAsync).WithName("makeDirectory").WithSummary("Makes a directory, and those above it").Produces(204).WithRequestTimeout(ErrorHandling.GuestLimit);
        group.MapPost("/move", MoveAsync).WithName("moveFile").WithSummary("Moves a file or directory").Produces(204).WithRequestTimeout(ErrorHandling.GuestLimit);
    }

    private static async Task<AgentFiles> FilesAsync(ISandboxes sandboxes, string id, CancellationToken cancellationToken) => (await sandboxes.AgentAsync(sandboxes.Find(id).Id, cancellationToken)).Files;

    private static async Task ReadAsync(HttpContext context, string id, string path, ISandboxes sandboxes, string user = "")
    {
        var files = await FilesAsync(sandboxes, id, context.RequestAborted);
        var stat = await files.StatAsync(path, user, context.RequestAborted);
        if (stat.Kind == FileKind.Directory)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"'{path}' is a directory.", "List it, or copy it with `mitos cp`.");
        context.Response.ContentType = Bytes;
        await files.ReadAsync(path, context.Response.Body, user, context.RequestAborted);
    }

    private static async Task<WrittenBody> WriteAsync(HttpContext context, string id, string path, ISandboxes sandboxes, string user = "",
        [Description("Permission bits in octal digits. Default: 644, or those of the file that is replaced.")] string mode = "")
    {
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
        var body = new UploadBody(context.Request);
        try
        {
            return new WrittenBody(await (await FilesAsync(sandboxes, id, context.RequestAborted)).WriteAsync(path, body, ParseMode(mode), user, context.RequestAborted));
        }
        catch (Exception e) when (e is SandboxException or AgentException)
        {
            await body.SkipAsync(context.RequestAborted);
            throw;
        }
    }

    private static async Task<IResult> RemoveAsync(string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "",
        [Description("Whether a directory may have entries.")] bool recursive = false)
    {
        await (await FilesAsync(sandboxes, id, cancellationToken)).RemoveAsync(path, recursive, user, cancellationToken);
        return Results.NoContent();
    }

    private static async Task<FileBody> StatAsync(string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "") =>
        (await (await FilesAsync(sandboxes, id, cancellationToken)).StatAsync(path, user, cancellationToken)).ToBody();

    private static async Task<List<FileBody>> ListAsync(string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "",
        [Description("1 to 64 levels.")] int depth = 1)
    {
        if (depth is < 1 or > 64)
            throw SandboxException.Invalid($"A directory cannot be listed to a depth of {depth}.", "Use 1 to 64.");
        return (await (await FilesAsync(sandboxes, id, cancellationToken)).ListAsync(path, depth, user, cancellationToken)).Select(file => file.ToBody()).ToList();
    }

    private static async Task<IResult> MakeDirectoryAsync(string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "")
    {
        await (await FilesAsync(sandboxes, id, cancellationToken)).MakeDirectoryAsync(path, user, cancellationToken);
        return Results.NoContent();
    }

    private static async Task<IResult> MoveAsync(string id, [FromBody] MoveRequest request, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "")
    {
        if (string.IsNullOrEmpty(request.From) || string.IsNullOrEmpty(request.To))
            throw SandboxException.Invalid("A move needs two paths.", "Give from and to.");
        await (await FilesAsync(sandboxes, id, cancellationToken)).MoveAsync(request.From, request.To, user, cancellationToken);
        return Results.NoContent();
    }

    // 0: the agent's default.
    private static int ParseMode(string mode)
    {
        if (mode.Length == 0)
            return 0;
        var bits = mode.Length <= 4 && !mode.AsSpan().ContainsAnyExceptInRange('0', '7') ? Convert.ToInt32(mode, 8) : 0;
        return bits != 0 ? bits : throw SandboxException.Invalid($"'{(mode.Length <= 20 ? mode : mode[..20] + "…")}' is no mode.", "Give octal digits, for example 755.");
    }
}
