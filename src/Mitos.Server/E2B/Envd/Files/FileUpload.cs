using System.IO.Compression;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using Mitos.Engine.Agent;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>Writes files: one as it is, or the parts of a form.</summary>
internal static class FileUpload
{
    private const int MaxParts = 1000;
    private const string Form = "multipart/form-data", Bytes = "application/octet-stream";

    public static async Task ServeAsync(EnvdCall call)
    {
        var request = call.Context.Request;
        var metadata = FileMetadata.Of(request.Headers);
        var path = request.Query["path"].ToString();
        var encoding = request.Headers.ContentEncoding.ToString();
        await using var unpacked = encoding.ToLowerInvariant() switch
        {
            "" or ContentCoding.Identity => null,
            ContentCoding.Gzip => new GZipStream(request.Body, CompressionMode.Decompress, leaveOpen: true),
            _ => throw ConnectException.Invalid($"unsupported Content-Encoding: {encoding}, supported: [{ContentCoding.Gzip}]"),
        };
        var body = unpacked ?? request.Body;
        _ = MediaTypeHeaderValue.TryParse(request.ContentType, out var type);
        var isForm = type is not null && type.MediaType.Equals(Form, StringComparison.OrdinalIgnoreCase);
        // A body that says nothing of itself is taken as it is; one that is said to be something else is a mistake.
        if (!isForm && request.ContentType is { Length: > 0 } other && type?.MediaType.Equals(Bytes, StringComparison.OrdinalIgnoreCase) != true)
            throw ConnectException.Invalid($"unsupported content type: {other}, expected {Form} or {Bytes}");
        List<GuestFile> written = isForm
            ? await WritePartsAsync(call, path, new MultipartReader(BoundaryOf(type!), body), metadata)
            : [await WriteAsync(call, FilesystemService.Required(path), body, metadata)];
        await FileRoutes.AnswerAsync(call, written, isList: true);
    }

    private static async Task<List<GuestFile>> WritePartsAsync(EnvdCall call, string path, MultipartReader parts, Dictionary<string, string> metadata)
    {
        var written = new List<GuestFile>();
        while (await parts.ReadNextSectionAsync(call.Ended) is { } part)
        {
            // A part may have no file name where the path is given: forms would take it for a field.
            if (!ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out var disposition) || HeaderUtilities.RemoveQuotes(disposition.Name) != "file")
                continue;
            if (written.Count == MaxParts)
                throw ConnectException.Invalid($"a form may have {MaxParts} files; send the others with another one");
            if (path.Length > 0 && written.Count > 0)
                throw ConnectException.Invalid($"you cannot upload multiple files to the same path '{path}' in one upload request, only the first specified file was uploaded");
            written.Add(await WriteAsync(call, path.Length > 0 ? path : FileNameOf(disposition), part.Body, metadata));
        }
        return written.Count > 0 ? written : throw ConnectException.Invalid("the form has no part named file");
    }

    private static async Task<GuestFile> WriteAsync(EnvdCall call, string path, Stream content, Dictionary<string, string> metadata)
    {
        var user = FileRoutes.UserOf(call);
        await call.Files.WriteAsync(path, content, 0, user, call.Ended, metadata);
        var file = await call.Files.StatAsync(path, user, call.Ended);
        return file with { Metadata = metadata }; // a link has none of its own
    }

    private static string BoundaryOf(MediaTypeHeaderValue type) =>
        HeaderUtilities.RemoveQuotes(type.Boundary).Value is { Length: > 0 and <= 200 } boundary ? boundary : throw ConnectException.Invalid("the form has no boundary, or a longer one than is possible");

    private static string FileNameOf(ContentDispositionHeaderValue disposition) =>
        (disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value is { Length: > 0 } name
            ? name
            : throw ConnectException.Invalid("a part has no file name, and path is not given");
}
