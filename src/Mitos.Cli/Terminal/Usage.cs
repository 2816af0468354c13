using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;

namespace Mitos.Cli.Terminal;

/// <summary>What is said when a command line is wrong, and what help says beside what the library knows.</summary>
internal static class Usage
{
    private const string ExitCodes = """
        Exit codes:
          0    done
          1    failed
          2    used wrongly: an option, a count or a name that cannot be
          3    no such sandbox, template or file
          4    refused: its state does not allow that, or you may not
          5    not enough memory or disk
          6    the daemon does not run, or something did not answer in time
          7    some of several failed (fork, rm)
          130  interrupted
          exec ends with the command's own; with 125 when Mitos failed, 126 when the
          command cannot be run, 127 when there is none, 141 when its reader has gone

        Environment:
          MITOS_STATE, MITOS_RUN, MITOS_CACHE, MITOS_LISTEN, MITOS_WARM, MITOS_VMM,
          MITOS_ACCEL, MITOS_FIRECRACKER, MITOS_DISK_RATE, MITOS_DISK_OPS
                                     of a daemon started here; docs/operations.md
          MITOS_URL, MITOS_API_KEY   a daemon behind HTTP, instead of this machine's
          NO_COLOR                   no colours

        """;

    /// <summary>Says what is wrong and how the command is used.</summary>
    /// <returns>The exit status.</returns>
    public static int Refuse(ParseResult parsed)
    {
        var name = Name(parsed.CommandResult);
        // the first says it; of a mistyped command only the second does
        var message = IsHelpOfNothing(parsed) ? $"There is no command '{parsed.UnmatchedTokens[0]}' to help with."
            : parsed.Errors.Select(Say).OrderBy(text => text.StartsWith("Required command", StringComparison.Ordinal)).First();
        Output.Failure(new(ErrorCodes.InvalidArgument, message, Suggest(parsed) ?? $"`{name} --help` says how it is used."), parsed.GetValue(Commands.CommandRunner.JsonOption));
        return ExitCode.Usage;
    }

    /// <summary>Whether help is asked for on a command that there is not.</summary>
    public static bool IsHelpOfNothing(ParseResult parsed) =>
        parsed.Action is WithExitCodes && parsed.UnmatchedTokens is [var typed, ..] && !typed.StartsWith('-');

    /// <summary>Adds the exit codes to the help of the root.</summary>
    public static void Extend(RootCommand root)
    {
        foreach (var help in root.Options.OfType<HelpOption>())
            help.Action = new WithExitCodes((HelpAction)help.Action!, root);
    }

    private static string Name(CommandResult result) => result.Parent is CommandResult parent ? $"{Name(parent)} {result.Command.Name}" : "mitos";

    // The library names types of .NET.
    private static string Say(ParseError error) => error is { SymbolResult: OptionResult { Tokens: [.., var typed] } option } && error.Message.Contains("'System.", StringComparison.Ordinal)
        ? $"'{typed.Value}' is no {(option.Option.ValueType == typeof(double) ? "number" : "whole number")}, and {option.Option.Name} takes one."
        : error.Message;

    private static string? Suggest(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        return parsed.UnmatchedTokens is not [var typed, ..] ? null
            : Nearest.Suggest(typed, typed.StartsWith('-') ? command.Options.Select(option => option.Name).Append("--json") : command.Subcommands.Select(sub => sub.Name));
    }

    private sealed class WithExitCodes(HelpAction help, RootCommand root) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var status = help.Invoke(parseResult);
            if (parseResult.CommandResult.Command == root)
                parseResult.InvocationConfiguration.Output.WriteLine(ExitCodes);
            return status;
        }
    }
}
