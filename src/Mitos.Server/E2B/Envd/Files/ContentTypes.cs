using Microsoft.AspNetCore.StaticFiles;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>What a file is to a browser, by the ending of its name. Its content is not looked at, and browsers are told not to either.</summary>
internal static class ContentTypes
{
    private const string Bytes = "application/octet-stream", Text = "text/";
    private static readonly FileExtensionContentTypeProvider Known = new() { Mappings = { [".ts"] = "text/plain", [".mts"] = "text/plain" } };
    private static readonly HashSet<string> Pages = ["text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"];

    public static string Of(string path) =>
        !Known.TryGetContentType(path, out var type) ? Bytes : type.StartsWith(Text, StringComparison.Ordinal) ? $"{type}; charset=utf-8" : type;

    /// <summary>Pages of a guest must not act as if they were this server's, which may have the same address.</summary>
    public static void Confine(IHeaderDictionary headers, string type)
    {
        headers.XContentTypeOptions = "nosniff";
        if (Pages.Contains(type.Split(';')[0]))
            headers.ContentSecurityPolicy = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
    }
}
