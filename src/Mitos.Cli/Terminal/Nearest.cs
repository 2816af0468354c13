namespace Mitos.Cli.Terminal;

/// <summary>Finds what somebody may have meant.</summary>
internal static class Nearest
{
    /// <summary>A question that names the nearest of <paramref name="known"/>; null when none is near.</summary>
    public static string? Suggest(string typed, IEnumerable<string> known)
    {
        var (name, distance) = known.Select(name => (name, Distance(typed, name))).OrderBy(pair => pair.Item2).FirstOrDefault();
        return name is not null && distance <= Math.Max(2, typed.Length / 3) ? $"Did you mean '{name}'?" : null;
    }

    // Levenshtein's distance, one row at a time.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[b.Length];
    }
}
