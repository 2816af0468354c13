using System.Net.Http.Headers;
using Mitos.Contracts;

namespace Mitos.Client;

public sealed partial class MitosClient
{
    /// <summary>What a path is; a link is not followed.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">Absolute, or relative to the user's home.</param>
    /// <param name="user">Whose rights; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<FileBody> StatAsync(string id, string path, string user = "", CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Files(id, "/stat", path, user), ContractsJson.Default.FileBody, cancellationToken);

    /// <summary>Lists a directory; at most 10,000 entries.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">The directory.</param>
    /// <param name="depth">1 to 64 levels.</param>
    /// <param name="user">Whose rights; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<FileBody>> ListFilesAsync(string id, string path, int depth = 1, string user = "", CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Files(id, "/list", path, user) + $"&depth={depth}", ContractsJson.Default.ListFileBody, cancellationToken);

    /// <summary>Copies a file of the guest to a stream.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">The file.</param>
    /// <param name="target">Gets its content; has a part of it when this fails.</param>
    /// <param name="user">Whose rights; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the copying.</param>
    public async Task ReadFileAsync(string id, string path, Stream target, string user = "", CancellationToken cancellationToken = default)
    {
        using var response = await _transport.SendAsync(new HttpRequestMessage(HttpMethod.Get, Files(id, "", path, user)), cancellationToken);
        await using var source = await _transport.GuardAsync(() => response.Content.ReadAsStreamAsync(cancellationToken));
        var buffer = new byte[64 << 10];
        // only what fails on the daemon's side is the daemon's
        while (await _transport.GuardAsync(() => source.ReadAsync(buffer, cancellationToken).AsTask()) is > 0 and var got)
            await target.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
    }

    /// <summary>Writes a file of the guest as a whole: it appears complete, or not at all. Missing directories are made.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">The file.</param>
    /// <param name="source">Its content, of any size.</param>
    /// <param name="mode">Octal digits; empty: 644, or those of the file that is replaced.</param>
    /// <param name="user">Whose file; empty: the default user.</param>
    /// <param name="cancellationToken">Drops what was written.</param>
    public async Task WriteFileAsync(string id, string path, Stream source, string mode = "", string user = "", CancellationToken cancellationToken = default)
    {
        var content = new StreamContent(source) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };
        await _transport.DoAsync(HttpMethod.Put, Files(id, "", path, user) + $"&mode={Uri.EscapeDataString(mode)}", content, cancellationToken);
    }

    /// <summary>Makes a directory, and those above it. No error when it exists.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">The directory.</param>
    /// <param name="user">Whose; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task MakeDirectoryAsync(string id, string path, string user = "", CancellationToken cancellationToken = default) =>
        _transport.DoAsync(HttpMethod.Post, Files(id, "/mkdir", path, user), null, cancellationToken);

    /// <summary>Moves a file or directory; a file at the target is replaced.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="from">What to move.</param>
    /// <param name="to">Its new path.</param>
    /// <param name="user">Whose rights; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task MoveFileAsync(string id, string from, string to, string user = "", CancellationToken cancellationToken = default) =>
        _transport.DoAsync(HttpMethod.Post, Path(id, $"files/move?user={Uri.EscapeDataString(user)}"), Transport.Json(new MoveRequest(from, to), ContractsJson.Default.MoveRequest), cancellationToken);

    /// <summary>Removes a file or directory.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="path">What to remove.</param>
    /// <param name="recursive">Whether a directory may have entries.</param>
    /// <param name="user">Whose rights; empty: the default user.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task RemoveFileAsync(string id, string path, bool recursive = false, string user = "", CancellationToken cancellationToken = default) =>
        _transport.DoAsync(HttpMethod.Delete, Files(id, "", path, user) + $"&recursive={Flag(recursive)}", null, cancellationToken);

    private static string Files(string id, string what, string path, string user) =>
        $"{Path(id)}/files{what}?path={Uri.EscapeDataString(path)}&user={Uri.EscapeDataString(user)}";
}
