namespace Mitos.Engine.Sandboxes;

/// <summary>Finds what somebody may have meant.</summary>
public static class Nearest
{
    /// <summary>A sentence naming the nearest of <paramref name="known"/>; null when none is near.</summary>
    public static string? Suggest(string text, IEnumerable<string> known)
    {
        var (best, distance) = known.Select(candidate => (candidate, Distance(text, candidate))).OrderBy(pair => pair.Item2).ThenBy(pair => pair.candidate, StringComparer.Ordinal).FirstOrDefault();
        return best is not null && distance <= Math.Max(2, text.Length / 3) ? $"Did you mean '{best}'?" : null;
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
            {
                var cost = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                (diagonal, row[j]) = (row[j], cost);
            }
        }
        return row[b.Length];
    }
}
