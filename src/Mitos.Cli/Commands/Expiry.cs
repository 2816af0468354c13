using System.Globalization;
using Mitos.Cli.Terminal;

namespace Mitos.Cli.Commands;

/// <summary>Ends as people type them: <c>30d</c> from now on, <c>2027-01-31</c> or <c>2027-01-31T18:00</c> (UTC, unless it says another offset), <c>never</c>.</summary>
internal static class Expiry
{
    private static readonly string[] Forms = ["yyyy-MM-dd", "yyyy-MM-ddTHH:mmK", "yyyy-MM-ddTHH:mm:ssK"];

    /// <exception cref="ArgumentException">It is none, or later than a calendar has days.</exception>
    public static DateTimeOffset? Parse(string? text, DateTimeOffset now)
    {
        if (text is null or "never")
            return null;
        if (DateTimeOffset.TryParseExact(text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            return time;
        try
        {
            return now.AddSeconds(Duration.ParseSeconds(text));
        }
        catch (ArgumentException)
        {
            throw new ArgumentException($"'{text}' is no end such as 30d, 2027-01-31, 2027-01-31T18:00 or never.");
        }
    }

    public static string Describe(DateTimeOffset? end) =>
        end is not { } at ? "never" : at > DateTimeOffset.UtcNow ? $"in {Output.Left(at)}" : $"expired {Output.Age(at)} ago";
}
