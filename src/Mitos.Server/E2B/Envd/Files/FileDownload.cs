using System.Globalization;
using System.IO.Compression;
using Microsoft.Net.Http.Headers;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>Reads a file: whole, in part, or only when it has changed.</summary>
internal static class FileDownload
{
    private const string Bytes = "application/octet-stream";
    private static readonly string[] Conditions = [HeaderNames.Range, HeaderNames.IfMatch, HeaderNames.IfNoneMatch, HeaderNames.IfModifiedSince, HeaderNames.IfUnmodifiedSince, HeaderNames.IfRange];

    public static async Task ServeAsync(EnvdCall call)
    {
        var (request, response, user) = (call.Context.Request, call.Context.Response, FileRoutes.UserOf(call));
        var path = FilesystemService.Required(request.Query["path"].ToString());
        var file = await call.Agent.Files.StatAsync(path, user, call.Ended);
        if (file.Kind == FileKind.Link)
            file = (await GuestEntries.FollowAsync(call, file, user)).File ?? throw new AgentException(AgentErrorCode.NotFound, $"path '{path}' leads nowhere");
        if (file.Kind != FileKind.File)
        {
            await FileRoutes.RefuseAsync(call.Context, 400, $"path '{path}' is {(file.Kind == FileKind.Directory ? "a directory" : "no regular file")}");
            return;
        }
        if (ContentCoding.Accepted(request) is not { } coding)
        {
            await FileRoutes.RefuseAsync(call.Context, 406, $"no acceptable encoding found, supported: [{ContentCoding.Identity}, {ContentCoding.Gzip}]");
            return;
        }
        response.Headers.Vary = HeaderNames.AcceptEncoding;
        response.Headers.ContentDisposition = new ContentDispositionHeaderValue("inline") { FileNameStar = Path.GetFileName(path) }.ToString();
        if (coding == ContentCoding.Gzip && !Array.Exists(Conditions, request.Headers.ContainsKey))
            await PackAsync(call, file, user);
        else if (file.Size == 0)
            await StreamAsync(call, file, user);
        else
            await Results.Stream(new GuestFileStream(call, file, user), Bytes, lastModified: file.ModifiedAt, entityTag: TagOf(file), enableRangeProcessing: true).ExecuteAsync(call.Context);
    }

    private static EntityTagHeaderValue TagOf(GuestFile file) =>
        new(string.Create(CultureInfo.InvariantCulture, $"\"{file.ModifiedAt.ToUnixTimeMilliseconds():x}-{file.Size:x}\""));

    // Its end is where no more comes: files of /proc say that they have no bytes, and have.
    private static async Task StreamAsync(EnvdCall call, GuestFile file, string user)
    {
        call.Context.Response.ContentType = Bytes;
        if (!HttpMethods.IsHead(call.Context.Request.Method))
            await call.Agent.Files.ReadAsync(file.Path, call.Context.Response.Body, user, call.Ended);
    }

    private static async Task PackAsync(EnvdCall call, GuestFile file, string user)
    {
        var response = call.Context.Response;
        (response.ContentType, response.Headers.ContentEncoding) = (Bytes, ContentCoding.Gzip);
        response.Headers.LastModified = file.ModifiedAt.UtcDateTime.ToString("R", CultureInfo.InvariantCulture);
        if (HttpMethods.IsHead(call.Context.Request.Method))
            return;
        await using var packed = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
        await call.Agent.Files.ReadAsync(file.Path, packed, user, call.Ended);
    }
}
