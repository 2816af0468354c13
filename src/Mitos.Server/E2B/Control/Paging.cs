using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Mitos.Server.E2B.Control;

/// <summary>A page of a list that is ordered by an instant and, within it, by id: how many, and behind which item.</summary>
/// <param name="Limit">Most items.</param>
/// <param name="After">The last item of the page before; null: this is the first.</param>
/// <param name="Ascending">Whether the oldest come first.</param>
internal sealed record Paging(int Limit, (DateTimeOffset At, string Id)? After, bool Ascending = false)
{
    private const int MaxLimit = 100;

    /// <summary>All items, which older routes give.</summary>
    public static Paging None { get; } = new(int.MaxValue - 1, null);

    /// <exception cref="E2BException">400.</exception>
    public static Paging Parse(IQueryCollection query, bool ascending = false) =>
        new(LimitOf(query["limit"]), query["nextToken"].ToString() is { Length: > 0 } token ? TokenOf(token) : null, ascending);

    /// <summary>The page. Its token, if there is more, is in the headers of the answer.</summary>
    public List<T> Take<T>(HttpContext context, IEnumerable<T> all, Func<T, (DateTimeOffset At, string Id)> key)
    {
        var keyed = all.Select(item => (Key: key(item), Item: item)).Where(pair => After is not { } after || IsBehind(pair.Key, after));
        var ordered = Ascending
            ? keyed.OrderBy(pair => pair.Key.At).ThenBy(pair => pair.Key.Id, StringComparer.Ordinal)
            : keyed.OrderByDescending(pair => pair.Key.At).ThenByDescending(pair => pair.Key.Id, StringComparer.Ordinal);
        var page = ordered.Take(Limit + 1).ToList();
        if (page.Count > Limit)
        {
            page.RemoveAt(Limit);
            context.Response.Headers["X-Next-Token"] = Token(page[^1].Key);
        }
        return page.ConvertAll(pair => pair.Item);
    }

    /// <exception cref="E2BException">400.</exception>
    public static DateTimeOffset TimeOf(string text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
        ? time
        : throw E2BException.Bad($"'{(text.Length <= 40 ? text : text[..40])}' is no time; use RFC 3339");

    private bool IsBehind((DateTimeOffset At, string Id) item, (DateTimeOffset At, string Id) after)
    {
        var order = item.At.CompareTo(after.At);
        if (order == 0)
            order = string.CompareOrdinal(item.Id, after.Id);
        return Ascending ? order > 0 : order < 0;
    }

    private static string Token((DateTimeOffset At, string Id) last) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{last.At.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)}__{last.Id}"));

    private static (DateTimeOffset, string) TokenOf(string token)
    {
        try
        {
            if (Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token)).Split("__", 2) is [var time, { Length: > 0 } id])
                return (TimeOf(time), id);
        }
        catch (FormatException)
        {
            // said below
        }
        throw E2BException.Bad("nextToken is not one that this server gave");
    }

    private static int LimitOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return MaxLimit;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxLimit
            ? limit
            : throw E2BException.Bad($"limit must be 1 to {MaxLimit}");
    }
}
