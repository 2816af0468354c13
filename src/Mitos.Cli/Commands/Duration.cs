using System.Globalization;
using System.Text.RegularExpressions;

namespace Mitos.Cli.Commands;

/// <summary>Durations as people type them: <c>90</c> (seconds), <c>45s</c>, <c>10m</c>, <c>1h30m</c>, <c>2d</c>.</summary>
internal static partial class Duration
{
    /// <exception cref="ArgumentException">It is none.</exception>
    public static int ParseSeconds(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var plain))
            return plain;
        var match = Form().Match(text);
        if (text.Length == 0 || !match.Success)
            throw new ArgumentException($"'{text}' is no duration such as 45s, 10m, 1h30m or 2d.");
        return (int)Math.Min(int.MaxValue, (Part("d") * 86400) + (Part("h") * 3600) + (Part("m") * 60) + Part("s"));

        long Part(string unit) => match.Groups[unit].Success ? long.Parse(match.Groups[unit].Value, CultureInfo.InvariantCulture) : 0;
    }

    [GeneratedRegex(@"^((?<d>\d{1,9})d)?((?<h>\d{1,9})h)?((?<m>\d{1,9})m)?((?<s>\d{1,9})s)?\z")]
    private static partial Regex Form();
}
