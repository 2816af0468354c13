using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>cp: files and directories into a sandbox and out of it.</summary>
internal static class CopyCommand
{
    public static Command Make()
    {
        var source = Arguments.Path("SOURCE");
        var target = Arguments.Path("TARGET");
        var user = new Option<string>("--user", "-u") { Description = "User in the sandbox", DefaultValueFactory = _ => "user" };
        return new Command("cp", "Copy files or directories into or out of a sandbox; into a target that is a directory\n  mitos cp ./src dev:/home/user/src\n  mitos cp dev:/home/user/out.txt .") { source, target, user }
            .Runs(async (client, result, json, cancellationToken) =>
            {
                var (from, to, who) = (result.GetRequiredValue(source), result.GetRequiredValue(target), result.GetValue(user)!);
                var bytes = (Split(from), Split(to)) switch
                {
                    (null, { } inside) => await UploadAsync(client, from, inside, who, cancellationToken),
                    ({ } inside, null) => await DownloadAsync(client, inside, to, who, cancellationToken),
                    _ => throw new ArgumentException("One of the two must be ID:PATH, and the other a path here."),
                };
                if (json)
                    Output.Json(new CopiedBody(from, to, bytes), CliJson.Default.CopiedBody);
                return ExitCode.Ok;
            });
    }

    // A path here has a slash before any colon, or no colon at all.
    private static GuestPath? Split(string text)
    {
        var at = text.IndexOf(':');
        if (at <= 0 || text[..at].Contains('/') || text[..at] == ".")
            return null;
        return at + 1 < text.Length ? new GuestPath(text[..at], text[(at + 1)..]) : throw new ArgumentException($"'{text}' has no path after its colon; {text}. is the user's home.");
    }

    private static async Task<long> UploadAsync(MitosClient client, string from, GuestPath to, string user, CancellationToken cancellationToken)
    {
        if (Directory.Exists(from))
            return await DirectoryCopy.UploadAsync(client, from, to, user, cancellationToken);
        await using var file = File.OpenRead(from);
        await using var counted = new CountedStream(file);
        var mode = Convert.ToString((int)File.GetUnixFileMode(from) & 0x1FF, 8);
        var path = to.Path.EndsWith('/') || await IsDirectoryAsync(client, to, user, cancellationToken) ? $"{to.Path.TrimEnd('/')}/{Path.GetFileName(from)}" : to.Path;
        await ShowAsync($"copying {from}", client.WriteFileAsync(to.Id, path, counted, mode, user, cancellationToken), counted, file.Length);
        return counted.Count;
    }

    private static async Task<long> DownloadAsync(MitosClient client, GuestPath from, string to, string user, CancellationToken cancellationToken)
    {
        var stat = await client.StatAsync(from.Id, from.Path, user, cancellationToken);
        if (stat.Kind == "directory")
            return await DirectoryCopy.DownloadAsync(client, from, to, user, cancellationToken);
        var target = Directory.Exists(to) ? Path.Combine(to, Path.GetFileName(from.Path)) : to;
        var draft = $"{target}.mitos-{Environment.ProcessId}";
        try
        {
            await using var file = File.Create(draft);
            await using var counted = new CountedStream(file);
            await ShowAsync($"copying {from.Path}", client.ReadFileAsync(from.Id, from.Path, counted, user, cancellationToken), counted, stat.SizeBytes);
            if (Convert.ToInt32(stat.Mode, 8) is not 0 and var mode && stat.Kind == "file")
                File.SetUnixFileMode(file.SafeFileHandle, (UnixFileMode)(mode & 0x1FF));
            File.Move(draft, target, overwrite: true);
            return counted.Count;
        }
        finally
        {
            File.Delete(draft);
        }
    }

    public static Task ShowAsync(string what, Task work, CountedStream counted, long? size) =>
        Waiting.ShowAsync(what, work, () => $"{counted.Count >> 20}{(size is { } all ? $" of {all >> 20}" : "")} MiB");

    private static async Task<bool> IsDirectoryAsync(MitosClient client, GuestPath path, string user, CancellationToken cancellationToken)
    {
        await client.GetAsync(path.Id, cancellationToken); // so that what is not found below is the path
        try
        {
            return (await client.StatAsync(path.Id, path.Path, user, cancellationToken)).Kind == "directory";
        }
        catch (MitosException e) when (e.Code == ErrorCodes.NotFound)
        {
            return false;
        }
    }
}

/// <summary>A path in a sandbox.</summary>
internal sealed record GuestPath(string Id, string Path);
