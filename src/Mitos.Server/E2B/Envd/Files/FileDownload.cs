using System.Globalization;
using System.IO.Compression;
using Microsoft.Net.Http.Headers;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>Reads a file: whole, in part, or only when it has changed.</summary>
internal static class FileDownload
{
    private static readonly string[] Described =
        [HeaderNames.ContentLength, HeaderNames.ContentType, HeaderNames.ContentEncoding, HeaderNames.ContentRange, HeaderNames.ContentDisposition, HeaderNames.ContentSecurityPolicy,
         HeaderNames.AcceptRanges, HeaderNames.ETag, HeaderNames.LastModified];
    private static readonly string[] Conditions = [HeaderNames.Range, HeaderNames.IfMatch, HeaderNames.IfNoneMatch, HeaderNames.IfModifiedSince, HeaderNames.IfUnmodifiedSince, HeaderNames.IfRange];

    public static async Task ServeAsync(EnvdCall call)
    {
        var (request, user) = (call.Context.Request, FileRoutes.UserOf(call));
        var path = FilesystemService.Required(request.Query["path"].ToString());
        var file = await call.Files.StatAsync(path, user, call.Ended);
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
        try
        {
            await SendAsync(call, path, file, user, packed: coding == ContentCoding.Gzip && !Array.Exists(Conditions, request.Headers.ContainsKey));
        }
        catch (Exception) when (!call.Context.Response.HasStarted)
        {
            // It cannot be read, or is gone: what is answered now is not the file that was described.
            foreach (var name in Described)
                call.Context.Response.Headers.Remove(name);
            throw;
        }
    }

    private static Task SendAsync(EnvdCall call, string path, GuestFile file, string user, bool packed)
    {
        var (headers, type) = (call.Context.Response.Headers, ContentTypes.Of(path));
        headers.Vary = HeaderNames.AcceptEncoding;
        headers.ContentDisposition = new ContentDispositionHeaderValue("inline") { FileNameStar = Path.GetFileName(path) }.ToString();
        ContentTypes.Confine(headers, type);
        if (packed)
            return PackAsync(call, file, type, user);
        if (file.Size == 0)
            return StreamAsync(call, file, type, user);
        return Results.Stream(new GuestFileStream(call, file, user), type, lastModified: file.ModifiedAt, entityTag: TagOf(file), enableRangeProcessing: true).ExecuteAsync(call.Context);
    }

    private static EntityTagHeaderValue TagOf(GuestFile file) =>
        new(string.Create(CultureInfo.InvariantCulture, $"\"{file.ModifiedAt.ToUnixTimeMilliseconds():x}-{file.Size:x}\""));

    // Its end is where no more comes: files of /proc say that they have no bytes, and have.
    private static async Task StreamAsync(EnvdCall call, GuestFile file, string type, string user)
    {
        call.Context.Response.ContentType = type;
        if (!HttpMethods.IsHead(call.Context.Request.Method))
            await call.Files.ReadAsync(file.Path, call.Context.Response.Body, user, call.Ended);
    }

    private static async Task PackAsync(EnvdCall call, GuestFile file, string type, string user)
    {
        var response = call.Context.Response;
        (response.ContentType, response.Headers.ContentEncoding) = (type, ContentCoding.Gzip);
        response.Headers.LastModified = file.ModifiedAt.UtcDateTime.ToString("R", CultureInfo.InvariantCulture);
        if (HttpMethods.IsHead(call.Context.Request.Method))
            return;
        await using var packed = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
        await call.Files.ReadAsync(file.Path, packed, user, call.Ended);
    }
}
