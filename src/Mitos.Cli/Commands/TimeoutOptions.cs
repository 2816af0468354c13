using System.CommandLine;

namespace Mitos.Cli.Commands;

/// <summary>--timeout, --on-timeout: how long what a command makes is to live.</summary>
internal sealed class TimeoutOptions
{
    private readonly Option<string?> _timeout;
    private readonly Option<string?> _onTimeout = new("--on-timeout") { Description = "What happens then: kill or pause (default: kill, or as before)", HelpName = "what" };

    /// <param name="otherwise">How long it lives without the option.</param>
    public TimeoutOptions(string otherwise)
    {
        _timeout = new("--timeout") { Description = $"How long it lives from now on, such as 10m or 1h30m (default: {otherwise})", HelpName = "duration" };
        _onTimeout.AcceptOnlyFromAmong("kill", "pause");
    }

    /// <summary>Adds them to a command.</summary>
    public Command AddTo(Command command)
    {
        command.Options.Add(_timeout);
        command.Options.Add(_onTimeout);
        return command;
    }

    /// <exception cref="ArgumentException">No duration.</exception>
    public int? Seconds(ParseResult result) => result.GetValue(_timeout) is { } text ? Duration.ParseSeconds(text) : null;

    public string? OnTimeout(ParseResult result) => result.GetValue(_onTimeout);
}
