using System.CommandLine;
using System.Formats.Tar;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>cp: files and directories into a sandbox and out of it.</summary>
internal static class CopyCommand
{
    public static Command Make()
    {
        var source = new Argument<string>("SOURCE") { Description = "A path here, or ID:PATH" };
        var target = new Argument<string>("TARGET") { Description = "A path here, or ID:PATH" };
        var user = new Option<string>("--user", "-u") { Description = "User in the sandbox (default: user)", DefaultValueFactory = _ => "" };
        return new Command("cp", "Copy a file or directory into or out of a sandbox\n  mitos cp ./src dev:/home/user/src\n  mitos cp dev:/home/user/out.txt .") { source, target, user }
            .Runs(async (client, result, _, cancellationToken) =>
            {
                var (from, to, who) = (result.GetRequiredValue(source), result.GetRequiredValue(target), result.GetValue(user) ?? "");
                switch (Split(from), Split(to))
                {
                    case (null, { } inside):
                        await UploadAsync(client, from, inside.Id, inside.Path, who, cancellationToken);
                        break;
                    case ({ } inside, null):
                        await DownloadAsync(client, inside.Id, inside.Path, to, who, cancellationToken);
                        break;
                    default:
                        throw new ArgumentException("One of the two must be ID:PATH, and the other a path here.");
                }
                return ExitCode.Ok;
            });
    }

    // A path here has a slash before any colon, or no colon at all.
    private static (string Id, string Path)? Split(string text)
    {
        var at = text.IndexOf(':');
        return at > 0 && !text[..at].Contains('/') && text[..at] != "." ? (text[..at], text[(at + 1)..]) : null;
    }

    private static async Task UploadAsync(MitosClient client, string from, string id, string to, string user, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(from))
        {
            await using var file = File.OpenRead(from);
            var mode = Convert.ToString((int)File.GetUnixFileMode(from), 8);
            await client.WriteFileAsync(id, await IsDirectoryAsync(client, id, to, user, cancellationToken) ? $"{to}/{Path.GetFileName(from)}" : to, file, mode, user, cancellationToken);
            return;
        }
        var archive = Path.GetTempFileName();
        try
        {
            await TarFile.CreateFromDirectoryAsync(from, archive, includeBaseDirectory: false, cancellationToken);
            const string Inside = "/var/tmp/mitos-cp.tar";
            await using (var file = File.OpenRead(archive))
                await client.WriteFileAsync(id, Inside, file, "", user, cancellationToken);
            await RunAsync(client, id, ["/bin/sh", "-c", "mkdir -p \"$0\" && tar -xf \"$1\" -C \"$0\"; status=$?; rm -f \"$1\"; exit $status", to, Inside], user, cancellationToken);
        }
        finally
        {
            File.Delete(archive);
        }
    }

    private static async Task DownloadAsync(MitosClient client, string id, string from, string to, string user, CancellationToken cancellationToken)
    {
        if (!await IsDirectoryAsync(client, id, from, user, cancellationToken))
        {
            var target = Directory.Exists(to) ? Path.Combine(to, Path.GetFileName(from)) : to;
            var draft = target + ".mitos-part";
            try
            {
                await using (var file = File.Create(draft))
                    await client.ReadFileAsync(id, from, file, user, cancellationToken);
                File.Move(draft, target, overwrite: true);
            }
            finally
            {
                File.Delete(draft);
            }
            return;
        }
        Directory.CreateDirectory(to);
        using var session = await client.OpenExecAsync(id, new ExecRequest { Argv = ["tar", "-cf", "-", "-C", from, "."], User = user }, cancellationToken);
        var archive = Path.GetTempFileName();
        try
        {
            await using (var file = File.Create(archive))
            {
                await foreach (var (channel, bytes) in session.ReadAsync(cancellationToken))
                {
                    if (channel == ExecChannel.Stdout)
                        await file.WriteAsync(bytes, cancellationToken);
                }
            }
            if (session.ExitCode != 0)
                throw new IOException($"tar in the sandbox ended with {session.ExitCode}.");
            // refuses entries that would lie outside of the target: what a sandbox sends is not trusted
            await TarFile.ExtractToDirectoryAsync(archive, to, overwriteFiles: true, cancellationToken);
        }
        finally
        {
            File.Delete(archive);
        }
    }

    private static async Task<bool> IsDirectoryAsync(MitosClient client, string id, string path, string user, CancellationToken cancellationToken)
    {
        try
        {
            return (await client.StatAsync(id, path, user, cancellationToken)).Kind == "directory";
        }
        catch (MitosException e) when (e.Code == ErrorCodes.NotFound && !e.Message.Contains("no sandbox", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private static async Task RunAsync(MitosClient client, string id, List<string> argv, string user, CancellationToken cancellationToken)
    {
        var done = await client.ExecAsync(id, new ExecRequest { Argv = argv, User = user }, cancellationToken);
        if (done.ExitCode != 0)
            throw new IOException($"In the sandbox, unpacking ended with {done.ExitCode}: {done.Stderr.Trim()}");
    }
}
