using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;
using Mitos.Contracts;

namespace Mitos.Cli.Commands;

/// <summary>What all commands share: a client, --json, signals, and the mapping of failures to words and exit statuses.</summary>
internal static class CommandRunner
{
    private const int NoSpace = 28; // ENOSPC

    public static Option<bool> JsonOption { get; } = new("--json") { Description = "Print JSON, failures too", Recursive = true };

    /// <summary>Gives a command an action that talks to the daemon.</summary>
    public static Command Runs(this Command command, Func<MitosClient, ParseResult, bool, CancellationToken, Task<int>> action) =>
        command.RunsAlone(async (result, json, cancellationToken) =>
        {
            using var client = Settings.Connect();
            return await action(client, result, json, cancellationToken);
        });

    /// <summary>Gives a command an action that needs no daemon.</summary>
    public static Command RunsAlone(this Command command, Func<ParseResult, bool, CancellationToken, Task<int>> action)
    {
        command.SetAction(async (result, _) =>
        {
            using var interruption = new Interruption();
            var json = result.GetValue(JsonOption);
            try
            {
                return await action(result, json, interruption.Token);
            }
            catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
            {
                return interruption.ExitCode;
            }
            catch (Exception e) when (Describe(e) is { } error)
            {
                Output.Failure(error, json);
                return ExitCode.Of(error.Code);
            }
        });
        return command;
    }

    /// <summary>What to say of a failure; null for a defect of ours, which is to be seen as it is.</summary>
    public static ErrorBody? Describe(Exception e) => e switch
    {
        MitosException refused => new ErrorBody(refused.Code, Remedies.ForCommands(refused.Message), Remedies.ForCommands(refused.Remedy)),
        ArgumentException wrong => new ErrorBody(ErrorCodes.InvalidArgument, wrong.Message, "`mitos help COMMAND` says how a command is used."),
        FileNotFoundException or DirectoryNotFoundException => new ErrorBody(ErrorCodes.NotFound, e.Message, "Check the path."),
        UnauthorizedAccessException => new ErrorBody(ErrorCodes.FailedPrecondition, e.Message, "Check the rights of the path, or run this as root."),
        IOException { HResult: NoSpace } => new ErrorBody(ErrorCodes.Exhausted, e.Message, "Free space there, and run it again."),
        IOException or System.ComponentModel.Win32Exception => new ErrorBody(ErrorCodes.Internal, e.Message, "Mend what it names, and run it again; `mitos doctor` checks this host."),
        _ => null,
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
