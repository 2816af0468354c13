using System.CommandLine;
using Mitos.Cli.Terminal;
using Mitos.Client;

namespace Mitos.Cli.Commands;

/// <summary>What all commands share: a client, --json, and the mapping of failures to words and exit statuses.</summary>
internal static class CommandRunner
{
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
            Output.Failure(e.Message, e.Remedy);
            return failure ?? ExitCode.Of(e.Code);
        }
        catch (OperationCanceledException)
        {
            return 130;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or System.ComponentModel.Win32Exception)
        {
            Output.Failure(e.Message, "");
            return failure ?? ExitCode.Failed;
        }
    }

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
