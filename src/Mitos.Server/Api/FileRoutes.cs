using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/files</summary>
internal static class FileRoutes
{
    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes/{id}/files").WithTags("files");
        group.MapGet("/", ReadAsync).WithSummary("Reads a file");
        group.MapPut("/", WriteAsync).WithSummary("Writes a file as a whole; the body is its content").DisableRequestTimeout();
        group.MapDelete("/", async (string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "", bool recursive = false) =>
        {
            await Files(sandboxes, id).RemoveAsync(path, recursive, user, cancellationToken);
            return Results.NoContent();
        }).WithSummary("Removes a file or directory");
        group.MapGet("/stat", async (string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "") =>
            (await Files(sandboxes, id).StatAsync(path, user, cancellationToken)).ToBody()).WithSummary("What a path is");
        group.MapGet("/list", async (string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "", int depth = 1) =>
            (await Files(sandboxes, id).ListAsync(path, depth, user, cancellationToken)).Select(file => file.ToBody()).ToList()).WithSummary("Lists a directory");
        group.MapPost("/mkdir", async (string id, string path, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "") =>
        {
            await Files(sandboxes, id).MakeDirectoryAsync(path, user, cancellationToken);
            return Results.NoContent();
        }).WithSummary("Makes a directory and those above it");
        group.MapPost("/move", async (string id, MoveRequest request, ISandboxes sandboxes, CancellationToken cancellationToken, string user = "") =>
        {
            await Files(sandboxes, id).MoveAsync(request.From ?? "", request.To ?? "", user, cancellationToken);
            return Results.NoContent();
        }).WithSummary("Moves a file or directory");
    }

    private static AgentFiles Files(ISandboxes sandboxes, string id) => sandboxes.Agent(sandboxes.Find(id).Id).Files;

    private static async Task ReadAsync(HttpContext context, string id, string path, ISandboxes sandboxes, string user = "")
    {
        var files = Files(sandboxes, id);
        var stat = await files.StatAsync(path, user, context.RequestAborted);
        if (stat.Kind == FileKind.Directory)
            throw new SandboxException(ErrorCode.FailedPrecondition, $"'{path}' is a directory.", "List it, or copy it with `mitos cp`.");
        context.Response.ContentType = "application/octet-stream";
        await files.ReadAsync(path, context.Response.Body, user, context.RequestAborted);
    }

    private static async Task<WrittenBody> WriteAsync(HttpContext context, string id, string path, ISandboxes sandboxes, string user = "", string mode = "")
    {
        context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>()!.MaxRequestBodySize = null;
        var bits = 0;
        if (mode.Length > 0 && (mode.Any(digit => digit is < '0' or > '7') || mode.Length > 4 || (bits = Convert.ToInt32(mode, 8)) == 0))
            throw SandboxException.Invalid($"'{mode}' is no mode.", "Give octal digits, for example 755.");
        return new WrittenBody(await Files(sandboxes, id).WriteAsync(path, context.Request.Body, bits, user, context.RequestAborted));
    }
}
