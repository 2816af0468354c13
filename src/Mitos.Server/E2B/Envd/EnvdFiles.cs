using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;

namespace Mitos.Server.E2B.Envd;

/// <summary>/files: whole files, up and down.</summary>
internal static class EnvdFiles
{
    public const string Path = "/files", ComposePath = "/files/compose";
    private const string Bytes = "application/octet-stream";
    private const int NoSpace = 28; // ENOSPC

    public static Task ServeAsync(EnvdCall call) => call.Context.Request.Method switch
    {
        "GET" or "HEAD" => ReadAsync(call),
        "POST" => WriteAsync(call),
        _ => RefuseAsync(call.Context, 405, "method not allowed"),
    };

    /// <summary>Puts files together in the order in which they are named, and removes them.</summary>
    public static async Task ComposeAsync(EnvdCall call)
    {
        using var body = new MemoryStream();
        await call.Context.Request.Body.CopyToAsync(body, call.Aborted);
        var request = JsonSerializer.Deserialize(body.GetBuffer().AsSpan(0, (int)body.Length), E2BJson.Default.JsonElement);
        var (sources, target) = (request.Texts("source_paths"), request.Text("destination"));
        if (sources.Count == 0 || target.Length == 0)
        {
            await RefuseAsync(call.Context, 400, "source_paths and destination are required");
            return;
        }
        var user = request.Text("username") is { Length: > 0 } named ? named : UserOf(call);
        var pipe = new System.IO.Pipelines.Pipe();
        var reading = Task.Run(async () =>
        {
            Exception? failure = null;
            try
            {
                foreach (var source in sources)
                    await call.Agent.Files.ReadAsync(source, pipe.Writer.AsStream(leaveOpen: true), user, call.Aborted);
            }
            catch (Exception e)
            {
                failure = e;
            }
            await pipe.Writer.CompleteAsync(failure);
        });
        await call.Agent.Files.WriteAsync(target, pipe.Reader.AsStream(), 0, user, call.Aborted);
        await reading;
        foreach (var source in sources)
            await call.Agent.Files.RemoveAsync(source, false, user, call.Aborted);
        await AnswerAsync(call, [await call.Agent.Files.StatAsync(target, user, call.Aborted)]);
    }

    public static Task RefuseAsync(HttpContext context, Exception e)
    {
        var error = ConnectException.Of(e);
        return RefuseAsync(context, e is AgentException { Errno: NoSpace } ? 507 : e is BadHttpRequestException bad ? bad.StatusCode : e is InvalidDataException ? 400 : error.Status, error.Message);
    }

    public static Task RefuseAsync(HttpContext context, int status, string message) => E2BErrors.WriteAsync(context, status, message);

    private static async Task ReadAsync(EnvdCall call)
    {
        var (response, user) = (call.Context.Response, UserOf(call));
        var path = call.Context.Request.Query["path"].ToString();
        if (path.Length == 0)
        {
            await RefuseAsync(call.Context, 400, "path is required");
            return;
        }
        var stat = await call.Agent.Files.StatAsync(path, user, call.Aborted);
        for (var hops = 0; stat.Kind == FileKind.Link && hops < 16; hops++)
            stat = await call.Agent.Files.StatAsync(System.IO.Path.GetFullPath(stat.LinkTarget, System.IO.Path.GetDirectoryName(stat.Path) ?? "/"), user, call.Aborted);
        if (stat.Kind != FileKind.File)
        {
            await RefuseAsync(call.Context, 400, $"path '{path}' is {(stat.Kind == FileKind.Directory ? "a directory" : "no regular file")}");
            return;
        }
        var (offset, length) = (0L, stat.Size);
        if (RangeHeaderValue.TryParse(call.Context.Request.Headers.Range.ToString(), out var ranges) && ranges.Unit == "bytes" && ranges.Ranges.Count == 1 && stat.Size > 0)
        {
            var range = ranges.Ranges.Single();
            offset = range.From ?? Math.Max(0, stat.Size - (range.To ?? 0));
            var last = range.From is null ? stat.Size - 1 : Math.Min(range.To ?? long.MaxValue, stat.Size - 1);
            if (offset > last)
            {
                response.Headers.ContentRange = $"bytes */{stat.Size}";
                await RefuseAsync(call.Context, 416, "the range is not in the file");
                return;
            }
            length = last - offset + 1;
            response.StatusCode = StatusCodes.Status206PartialContent;
            response.Headers.ContentRange = $"bytes {offset}-{last}/{stat.Size}";
        }
        response.ContentType = Bytes;
        response.Headers.AcceptRanges = "bytes";
        response.Headers.LastModified = stat.ModifiedAt.UtcDateTime.ToString("R", CultureInfo.InvariantCulture);
        response.Headers.ContentDisposition = new ContentDispositionHeaderValue("inline") { FileNameStar = System.IO.Path.GetFileName(stat.Path) }.ToString();
        if (stat.Size > 0) // those of /proc say 0 and are not empty
            response.ContentLength = length;
        if (HttpMethods.IsHead(call.Context.Request.Method))
            return;
        await call.Agent.Files.ReadAsync(path, response.Body, user, call.Aborted, offset, stat.Size > 0 ? length : long.MaxValue);
    }

    private static async Task WriteAsync(EnvdCall call)
    {
        var (request, user) = (call.Context.Request, UserOf(call));
        var path = request.Query["path"].ToString();
        var body = request.Headers.ContentEncoding.ToString() switch
        {
            "" or "identity" => request.Body,
            "gzip" => new GZipStream(request.Body, CompressionMode.Decompress),
            var encoding => throw ConnectException.Invalid($"the content encoding '{encoding}' is not known"),
        };
        var written = new List<GuestFile>();
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out var type) && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
        {
            var boundary = HeaderUtilities.RemoveQuotes(type.Boundary).Value is { Length: > 0 } text ? text : throw ConnectException.Invalid("the multipart body has no boundary");
            var parts = new MultipartReader(boundary, body);
            while (await parts.ReadNextSectionAsync(call.Aborted) is { } part)
            {
                // A part may have no file name where the path is given: forms would take it for a field.
                if (!ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out var disposition) || HeaderUtilities.RemoveQuotes(disposition.Name) != "file")
                    continue;
                var name = path.Length > 0 ? path : FileNameOf(disposition);
                written.Add(await WriteAsync(call, name, part.Body, user));
            }
            if (written.Count == 0)
                throw ConnectException.Invalid("the form has no part named file");
        }
        else
        {
            if (path.Length == 0)
                throw ConnectException.Invalid("path is required");
            written.Add(await WriteAsync(call, path, body, user));
        }
        await AnswerAsync(call, written);
    }

    private static async Task<GuestFile> WriteAsync(EnvdCall call, string path, Stream content, string user)
    {
        await call.Agent.Files.WriteAsync(path, content, 0, user, call.Aborted);
        return await call.Agent.Files.StatAsync(path, user, call.Aborted);
    }

    private static string FileNameOf(ContentDispositionHeaderValue disposition) =>
        (disposition.FileNameStar.HasValue ? disposition.FileNameStar : HeaderUtilities.RemoveQuotes(disposition.FileName)).Value is { Length: > 0 } name
            ? name
            : throw ConnectException.Invalid("a part has no file name, and path is not given");

    private static async Task AnswerAsync(EnvdCall call, IReadOnlyList<GuestFile> files)
    {
        call.Context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(call.Context.Response.BodyWriter);
        writer.WriteStartArray();
        foreach (var file in files)
        {
            writer.WriteStartObject();
            writer.WriteString("name", System.IO.Path.GetFileName(file.Path));
            writer.WriteString("path", file.Path);
            writer.WriteString("type", "file");
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static string UserOf(EnvdCall call) => call.Context.Request.Query["username"].ToString() is { Length: > 0 } user ? user : call.User;
}
