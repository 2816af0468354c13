using System.CommandLine;
using System.Runtime.InteropServices;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>exec: a command in a sandbox as if it ran here.</summary>
internal static class ExecCommand
{
    public static Command Make()
    {
        var id = Names.Sandbox();
        var command = new Argument<string[]>("COMMAND") { Description = "Command and arguments, after --", Arity = ArgumentArity.OneOrMore };
        var interactive = new Option<bool>("--interactive", "-i") { Description = "Pass standard input (always done when it is a pipe)" };
        var terminal = new Option<bool>("--tty", "-t") { Description = "Give it a terminal" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE; may be repeated" };
        var user = new Option<string>("--user", "-u") { Description = "User in the sandbox (default: user)" };
        var directory = new Option<string>("--workdir", "-w") { Description = "Working directory (default: the user's home)" };
        return new Command("exec", "Run a command in a sandbox; ends with the command's exit code\n  mitos exec dev -- python3 -c 'print(1)'\n  mitos exec -it dev -- bash") { id, interactive, terminal, env, user, directory, command }
            .Runs((client, result, _, cancellationToken) =>
            {
                var size = RawTerminal.Size();
                var wantsTerminal = result.GetValue(terminal) && !Console.IsInputRedirected;
                var request = new ExecRequest
                {
                    Argv = [.. result.GetRequiredValue(command)], Env = CommandRunner.Pairs(result.GetValue(env)), User = result.GetValue(user), Cwd = result.GetValue(directory),
                    Stdin = result.GetValue(interactive) || Console.IsInputRedirected || wantsTerminal,
                    Tty = wantsTerminal ? new TerminalBody(size.Rows, size.Columns) : null,
                };
                return RunAsync(client, result.GetRequiredValue(id), request, cancellationToken);
            }, ExitCode.ExecFailed);
    }

    private static async Task<int> RunAsync(MitosClient client, string id, ExecRequest request, CancellationToken cancellationToken)
    {
        using var session = await client.OpenExecAsync(id, request, cancellationToken);
        using var raw = request.Tty is not null ? new RawTerminal() : null;
        using var signals = new Signals(session, request.Tty is not null);
        if (request.Stdin)
            _ = Task.Run(() => SendInputAsync(session), CancellationToken.None);
        await foreach (var (channel, bytes) in session.ReadAsync(CancellationToken.None))
            StandardStreams.Write(channel == ExecChannel.Stderr ? 2 : 1, bytes.Span);
        return session.ExitCode ?? ExitCode.ExecFailed;
    }

    private static async Task SendInputAsync(ExecSession session)
    {
        var buffer = new byte[32 << 10];
        for (int got; (got = StandardStreams.Read(buffer)) > 0;)
            await session.WriteAsync(buffer.AsMemory(0, got));
        await session.CloseStdinAsync();
    }

    // Signals go to the command, which decides; with a terminal the keys do that.
    private sealed class Signals : IDisposable
    {
        private readonly List<PosixSignalRegistration> _registrations = [];

        public Signals(ExecSession session, bool terminal)
        {
            if (terminal)
            {
                _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context =>
                {
                    var (rows, columns) = RawTerminal.Size();
                    _ = session.ResizeAsync(rows, columns);
                }));
            }
            foreach (var (signal, number) in ((PosixSignal, int)[])[(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGHUP, 1)])
            {
                _registrations.Add(PosixSignalRegistration.Create(signal, context =>
                {
                    context.Cancel = true;
                    _ = session.SignalAsync(number);
                }));
            }
        }

        public void Dispose() => _registrations.ForEach(registration => registration.Dispose());
    }
}
