using System.CommandLine;
using System.CommandLine.Parsing;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>What all commands share: a client, --json, and the mapping of failures to words and exit statuses.</summary>
internal static class CommandRunner
{
    private const int BrokenPipe = 32; // EPIPE

    public static Option<bool> JsonOption { get; } = new("--json") { Description = "Print JSON instead of a table", Recursive = true };

    /// <summary>Gives a command an action that talks to the daemon.</summary>
    public static Command Runs(this Command command, Func<MitosClient, ParseResult, bool, CancellationToken, Task<int>> action, int? failure = null)
    {
        command.SetAction(async (result, cancellationToken) =>
        {
            using var client = Settings.Connect();
            return await GuardAsync(() => action(client, result, result.GetValue(JsonOption), cancellationToken), failure);
        });
        return command;
    }

    /// <summary>Runs an action and says what failed.</summary>
    public static async Task<int> GuardAsync(Func<Task<int>> action, int? failure = null)
    {
        try
        {
            return await action();
        }
        catch (MitosException e)
        {
            Output.Failure(e.Message, e.Remedy.Length > 0 ? e.Remedy : RemedyOf(e));
            return failure ?? ExitCode.Of(e.Code);
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (IOException e) when (e.HResult == BrokenPipe)
        {
            return ExitCode.BrokenPipe; // who read our output has enough
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or System.ComponentModel.Win32Exception)
        {
            Output.Failure(e.Message, RemedyOf(e));
            return failure ?? (e is ArgumentException ? ExitCode.Usage : ExitCode.Failed);
        }
    }

    /// <summary>Says what is wrong with the command line.</summary>
    public static int Misuse(ParseResult parsed)
    {
        var path = string.Join(' ', PathOf(parsed.CommandResult));
        Output.Failure(string.Join(' ', parsed.Errors.SelectMany(error => error.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))), $"`{path} --help` shows what is possible.");
        return path == "mitos exec" ? ExitCode.ExecFailed : ExitCode.Usage;
    }

    private static IEnumerable<string> PathOf(SymbolResult? result) => result is CommandResult command ? [.. PathOf(command.Parent), command.Command.Name] : [];

    private static string RemedyOf(Exception e) => e switch
    {
        MitosException { Code: ErrorCodes.NotFound } => "`mitos ls` lists the sandboxes; `mitos exec ID -- ls` what is in one.",
        MitosException { Code: ErrorCodes.InvalidArgument } or ArgumentException => "The command's --help shows what is possible.",
        FileNotFoundException or DirectoryNotFoundException => "Give a path that exists.",
        UnauthorizedAccessException => "Give a path that you may use, or be a user who may.",
        _ => "`mitos status` says how the daemon is, `mitos doctor` what this host lacks.",
    };

    /// <summary><c>K=V</c> pairs.</summary>
    /// <exception cref="ArgumentException">One has no <c>=</c>.</exception>
    public static Dictionary<string, string> Pairs(IEnumerable<string>? texts)
    {
        var pairs = new Dictionary<string, string>();
        foreach (var text in texts ?? [])
        {
            var at = text.IndexOf('=');
            if (at <= 0)
                throw new ArgumentException($"'{text}' is not of the form NAME=VALUE.");
            pairs[text[..at]] = text[(at + 1)..];
        }
        return pairs;
    }
}
