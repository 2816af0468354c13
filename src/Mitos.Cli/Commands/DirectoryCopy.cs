using System.Diagnostics;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>
/// Copies directories as archives: tar here, tar in the sandbox, a stream between them, nothing stored on the way. What a sandbox sends is
/// not trusted; <see cref="GuestArchive"/> lets through what is harmless, and GNU tar makes no file outside of the directory that it unpacks into,
/// and links only when nothing can be written through them. As <c>cp -r</c> does: a directory that is there gets the copy as an entry, and what
/// is there already keeps its mode and times.
/// </summary>
internal static class DirectoryCopy
{
    private const string Unpack = """
        to=$0; [ -n "$1" ] && [ -d "$to" ] && to=$to/$1
        keep=; [ -d "$to" ] && keep=--no-overwrite-dir
        mkdir -p -- "$to" && exec tar -xf - --no-same-owner $keep -C "$to"
        """;

    public static async Task<long> UploadAsync(MitosClient client, string from, GuestPath to, string user, CancellationToken cancellationToken)
    {
        using var session = await client.OpenExecAsync(to.Id, new ExecRequest
        {
            Argv = ["/bin/sh", "-c", Unpack, to.Path, NameOf(from)],
            User = user,
            Stdin = true,
        }, cancellationToken);
        using var tar = Start(["-cf", "-", "-C", from, "."], input: false);
        await using var counted = new CountedStream(tar.StandardOutput.BaseStream);
        var errors = tar.StandardError.ReadToEndAsync(cancellationToken);
        var unpacking = ReadErrorsAsync(session, null, cancellationToken);
        await CopyCommand.ShowAsync($"copying {from}", SendAsync(), counted, null);
        RequireGuest(session, await unpacking);
        await RequireHostAsync(tar, errors, cancellationToken);
        return counted.Count;

        async Task SendAsync()
        {
            var buffer = new byte[64 << 10];
            for (int got; !unpacking.IsCompleted && (got = await counted.ReadAsync(buffer, cancellationToken)) > 0;)
                await session.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
            await session.CloseStdinAsync(cancellationToken);
            tar.StandardOutput.Close(); // so that it does not wait for a reader when the other side has ended
            await unpacking;
        }
    }

    public static async Task<long> DownloadAsync(MitosClient client, GuestPath from, string to, string user, CancellationToken cancellationToken)
    {
        to = Directory.Exists(to) ? Path.Combine(to, NameOf(from.Path)) : to;
        string[] keep = Directory.Exists(to) ? ["--no-overwrite-dir"] : [];
        Directory.CreateDirectory(to);
        using var session = await client.OpenExecAsync(from.Id, new ExecRequest { Argv = ["tar", "--format=gnu", "-cf", "-", "-C", from.Path, "."], User = user }, cancellationToken);
        using var tar = Start(["-xf", "-", "--no-same-owner", .. keep, "-C", to], input: true);
        await using var counted = new CountedStream(tar.StandardInput.BaseStream);
        var archive = new GuestArchive(counted);
        var errors = tar.StandardError.ReadToEndAsync(cancellationToken);
        var reading = ReadErrorsAsync(session, archive, cancellationToken);
        try
        {
            await CopyCommand.ShowAsync($"copying {from.Path}", reading, counted, null);
            tar.StandardInput.Close();
        }
        catch (IOException)
        {
            // tar has gone, and says why
        }
        catch (InvalidDataException e)
        {
            throw new MitosException(new ErrorBody(ErrorCodes.FailedPrecondition, e.Message, "The sandbox's tar is not GNU tar, or means harm; copy files one by one. What was copied until then is there."));
        }
        if (reading.IsCompletedSuccessfully)
            RequireGuest(session, await reading); // first: an archive that never came is no fault of the tar here
        await RequireHostAsync(tar, errors, cancellationToken);
        await reading;
        if (archive.LeftOut is { Count: > 0 } leftOut)
            Console.Error.WriteLine($"mitos: left out {leftOut.Count}{(leftOut.Count == 100 ? " or more" : "")} that are no files, directories or links: {string.Join(", ", leftOut.Take(3).Select(Printable))}");
        return counted.Count;
    }

    // The name that a copy gets in a directory; of a path that ends with none (., .., /) only the entries are copied.
    private static string NameOf(string path) => Path.GetFileName(path.TrimEnd('/')) is var name && name is "." or ".." ? "" : name;

    // A guest chose it: no escape sequences to the terminal.
    private static string Printable(string name) => string.Concat(name.Select(letter => char.IsControl(letter) ? '?' : letter));

    private static Process Start(string[] arguments, bool input) =>
        Process.Start(new ProcessStartInfo("tar", arguments) { RedirectStandardInput = input, RedirectStandardOutput = !input, RedirectStandardError = true })!;

    /// <summary>Passes the output on, and keeps the end of what was said of errors.</summary>
    private static async Task<string> ReadErrorsAsync(ExecSession session, GuestArchive? output, CancellationToken cancellationToken)
    {
        var errors = new MemoryStream();
        await foreach (var (channel, bytes) in session.ReadAsync(cancellationToken))
        {
            if (channel == ExecChannel.Stdout && output is not null)
                await output.WriteAsync(bytes, cancellationToken);
            else if (errors.Length < 4096)
                errors.Write(bytes.Span);
        }
        return System.Text.Encoding.UTF8.GetString(errors.ToArray());
    }

    private static void RequireGuest(ExecSession session, string errors)
    {
        if (session.ExitCode != 0)
            throw Failed(true, session.ExitCode, errors);
    }

    private static async Task RequireHostAsync(Process tar, Task<string> errors, CancellationToken cancellationToken)
    {
        await tar.WaitForExitAsync(cancellationToken);
        if (tar.ExitCode != 0)
            throw Failed(false, tar.ExitCode, await errors);
    }

    private static MitosException Failed(bool inSandbox, int? code, string errors) => new(new ErrorBody(ErrorCodes.FailedPrecondition,
        $"tar {(inSandbox ? "in the sandbox" : "here")} ended with {code}: {string.Join(" / ", errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(3))}",
        $"{(errors.Contains("Permission denied", StringComparison.Ordinal) ? inSandbox ? "Use a user who may, for example with -u root," : "Run this as a user who may," : "Mend what it names")} and copy again; what was copied until then is there."));
}
