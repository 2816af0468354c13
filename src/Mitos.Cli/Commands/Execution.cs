using System.Runtime.InteropServices;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>Joins a command in a sandbox with this program's input, outputs, signals and terminal.</summary>
internal static class Execution
{
    // .NET has no name for the users' own, and takes their numbers.
    private static readonly (PosixSignal Signal, int Number)[] Passed =
    [
        (PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGHUP, 1), (PosixSignal.SIGCONT, 18), ((PosixSignal)10, 10), ((PosixSignal)12, 12),
    ];

    /// <summary>As a stream: what comes is printed at once.</summary>
    /// <returns>The command's exit code.</returns>
    public static async Task<int> StreamAsync(MitosClient client, string id, ExecRequest request)
    {
        using var session = await client.OpenExecAsync(id, request);
        using var raw = request.Tty is not null ? new RawTerminal() : null;
        var registrations = Register(session, request.Tty is not null);
        if (request.Stdin)
            _ = Task.Run(() => SendInputAsync(session)); // not awaited: it may wait for a key for ever
        try
        {
            await foreach (var (channel, bytes) in session.ReadAsync())
            {
                if (!StandardStreams.TryWrite(channel == ExecChannel.Stderr ? 2 : 1, bytes.Span))
                    return ExitCode.ReaderGone; // and the command is hung up on
            }
            return session.ExitCode ?? ExitCode.ExecFailed;
        }
        finally
        {
            registrations.ForEach(registration => registration.Dispose());
        }
    }

    /// <summary>All at once, as JSON. An interruption kills the command.</summary>
    /// <returns>The command's exit code.</returns>
    public static async Task<int> CollectAsync(MitosClient client, string id, ExecRequest request)
    {
        using var interruption = new Interruption();
        var input = new MemoryStream();
        if (request.Stdin)
            await Console.OpenStandardInput().CopyToAsync(input, interruption.Token);
        try
        {
            var done = await client.ExecAsync(id, request with { Stdin = false, StdinBase64 = request.Stdin ? Convert.ToBase64String(input.ToArray()) : null }, interruption.Token);
            Output.Json(done, ContractsJson.Default.ExecBody);
            return done.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return interruption.ExitCode;
        }
    }

    private static async Task SendInputAsync(ExecSession session)
    {
        var buffer = new byte[32 << 10];
        for (int got; (got = StandardStreams.Read(buffer)) > 0;)
            await session.WriteAsync(buffer.AsMemory(0, got));
        await session.CloseStdinAsync();
    }

    // Signals go to the command, which decides; with a terminal its keys do that too.
    private static List<PosixSignalRegistration> Register(ExecSession session, bool terminal)
    {
        var registrations = Passed.Select(passed => PosixSignalRegistration.Create(passed.Signal, context =>
        {
            context.Cancel = true;
            _ = TryAsync(() => session.SignalAsync(passed.Number));
        })).ToList();
        if (terminal)
        {
            registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context =>
            {
                var size = RawTerminal.Size();
                _ = TryAsync(() => session.ResizeAsync(size.Rows, size.Columns));
            }));
        }
        return registrations;
    }

    private static async Task TryAsync(Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (Exception e) when (e is MitosException or ObjectDisposedException)
        {
            // it has ended; that is reported where its output is read
        }
    }
}
