using System.Text.Encodings.Web;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>/files: whole files, up and down.</summary>
internal static class FileRoutes
{
    public const string Path = "/files", ComposePath = "/files/compose";
    private const int NoSpace = 28; // ENOSPC

    public static Task ServeAsync(EnvdCall call) => call.Context.Request.Method switch
    {
        "GET" or "HEAD" => FileDownload.ServeAsync(call),
        "POST" => FileUpload.ServeAsync(call),
        _ => RefuseAsync(call.Context, 405, "method not allowed"),
    };

    /// <summary>Whose files: of the user in the query, else in the Basic header; empty: the default user.</summary>
    public static string UserOf(EnvdCall call) => call.Context.Request.Query["username"].ToString() is { Length: > 0 } user ? user : call.User;

    public static Task RefuseAsync(HttpContext context, Exception e)
    {
        var error = ConnectException.Of(e);
        return e is AgentException { Errno: NoSpace }
            ? RefuseAsync(context, 507, $"not enough disk space available: {error.Message}")
            : RefuseAsync(context, error.Status, error.Message);
    }

    public static Task RefuseAsync(HttpContext context, int status, string message) => E2BErrors.WriteAsync(context, status, message);

    /// <summary>Says what was written: one file, or a list.</summary>
    public static async Task AnswerAsync(EnvdCall call, IReadOnlyList<GuestFile> files, bool isList)
    {
        call.Context.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(call.Context.Response.BodyWriter, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        if (isList)
            writer.WriteStartArray();
        foreach (var file in files)
            Write(writer, file);
        if (isList)
            writer.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter writer, GuestFile file)
    {
        writer.WriteStartObject();
        writer.WriteString("name", System.IO.Path.GetFileName(file.Path));
        writer.WriteString("path", file.Path);
        writer.WriteString("type", "file");
        if (file.Metadata.Count > 0)
        {
            writer.WriteStartObject("metadata");
            foreach (var (key, value) in file.Metadata)
                writer.WriteString(key, value);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }
}
