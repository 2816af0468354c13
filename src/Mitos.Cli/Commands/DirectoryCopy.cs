using System.Diagnostics;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>
/// Copies directories as archives: tar here, tar in the sandbox, a stream between them, nothing stored on the way. What a sandbox sends is
/// not trusted; GNU tar makes no file outside of the directory that it unpacks into, and links only when nothing can be written through them.
/// </summary>
internal static class DirectoryCopy
{
    public static async Task<long> UploadAsync(MitosClient client, string from, GuestPath to, string user, CancellationToken cancellationToken)
    {
        using var session = await client.OpenExecAsync(to.Id, new ExecRequest
        {
            Argv = ["/bin/sh", "-c", "mkdir -p -- \"$0\" && exec tar -xf - --no-same-owner -C \"$0\"", to.Path],
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
        Directory.CreateDirectory(to);
        using var session = await client.OpenExecAsync(from.Id, new ExecRequest { Argv = ["tar", "-cf", "-", "-C", from.Path, "."], User = user }, cancellationToken);
        using var tar = Start(["-xf", "-", "--no-same-owner", "-C", to], input: true);
        await using var counted = new CountedStream(tar.StandardInput.BaseStream);
        var errors = tar.StandardError.ReadToEndAsync(cancellationToken);
        var reading = ReadErrorsAsync(session, counted, cancellationToken);
        try
        {
            await CopyCommand.ShowAsync($"copying {from.Path}", reading, counted, null);
            tar.StandardInput.Close();
        }
        catch (IOException)
        {
            // tar has gone, and says why
        }
        if (reading.IsCompletedSuccessfully)
            RequireGuest(session, await reading); // first: an archive that never came is no fault of the tar here
        await RequireHostAsync(tar, errors, cancellationToken);
        await reading;
        return counted.Count;
    }

    private static Process Start(string[] arguments, bool input) =>
        Process.Start(new ProcessStartInfo("tar", arguments) { RedirectStandardInput = input, RedirectStandardOutput = !input, RedirectStandardError = true })!;

    /// <summary>Passes the output on, and keeps the end of what was said of errors.</summary>
    private static async Task<string> ReadErrorsAsync(ExecSession session, Stream? output, CancellationToken cancellationToken)
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
            throw Failed("in the sandbox", session.ExitCode, errors);
    }

    private static async Task RequireHostAsync(Process tar, Task<string> errors, CancellationToken cancellationToken)
    {
        await tar.WaitForExitAsync(cancellationToken);
        if (tar.ExitCode != 0)
            throw Failed("here", tar.ExitCode, await errors);
    }

    private static MitosException Failed(string where, int? code, string errors) => new(new ErrorBody(ErrorCodes.FailedPrecondition,
        $"tar {where} ended with {code}: {string.Join(" / ", errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(3))}",
        "Mend what it names and copy again; what was copied until then is there."));
}
