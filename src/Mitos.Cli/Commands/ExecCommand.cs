using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>exec: a command in a sandbox as if it ran here.</summary>
internal static class ExecCommand
{
    public static Command Make()
    {
        var id = Arguments.Sandbox();
        var command = new Argument<string[]>("COMMAND") { Description = "Command and arguments, after --", Arity = ArgumentArity.OneOrMore };
        var interactive = new Option<bool>("--interactive", "-i") { Description = "Pass standard input (always done when it is a pipe or a file)" };
        var terminal = new Option<bool>("--tty", "-t") { Description = "Give it a terminal" };
        var env = new Option<string[]>("--env", "-e") { Description = "NAME=VALUE; may be repeated" };
        var user = new Option<string>("--user", "-u") { Description = "User in the sandbox (default: user)" };
        var directory = new Option<string>("--workdir", "-w") { Description = "Working directory (default: the user's home)" };
        var exec = new Command("exec", "Run a command in a sandbox; ends with the command's exit code\n  mitos exec dev -- python3 -c 'print(1)'\n  mitos exec -it dev -- bash")
        {
            id, interactive, terminal, env, user, directory, command,
        };
        // no Runs: signals are the command's in the sandbox
        exec.SetAction(async (result, _) =>
        {
            var json = result.GetValue(CommandRunner.JsonOption);
            try
            {
                var asksTerminal = result.GetValue(terminal);
                if (asksTerminal && (json || Console.IsInputRedirected))
                    throw new ArgumentException(json ? "A terminal has no JSON." : "-t needs a terminal, and standard input is none; leave it out for a pipe or a file.");
                using var client = Settings.Connect();
                var request = new ExecRequest
                {
                    Argv = [.. result.GetRequiredValue(command)],
                    Env = Environment(result.GetValue(env), asksTerminal),
                    User = result.GetValue(user),
                    Cwd = result.GetValue(directory),
                    Stdin = result.GetValue(interactive) || Console.IsInputRedirected || asksTerminal,
                    Tty = asksTerminal ? RawTerminal.Size() : null,
                };
                return await (json ? Execution.CollectAsync(client, result.GetRequiredValue(id), request) : Execution.StreamAsync(client, result.GetRequiredValue(id), request));
            }
            catch (Exception e) when (CommandRunner.Describe(e) is { } error)
            {
                Output.Failure(error, json);
                return StatusOf(error, result.GetRequiredValue(command)[0]);
            }
        });
        return exec;
    }

    private static Dictionary<string, string> Environment(string[]? given, bool asksTerminal)
    {
        var env = CommandRunner.Pairs(given);
        if (asksTerminal && System.Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } kind)
            env.TryAdd("TERM", kind);
        return env;
    }

    // As shells have it, where it is the command that cannot be had.
    private static int StatusOf(ErrorBody error, string command) =>
        !error.Message.Contains($"command '{command}'", StringComparison.Ordinal) ? ExitCode.ExecFailed
        : error.Code == ErrorCodes.NotFound ? ExitCode.ExecNotFound
        : error.Code == ErrorCodes.FailedPrecondition ? ExitCode.ExecNotExecutable : ExitCode.ExecFailed;
}
