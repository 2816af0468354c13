using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Control;

/// <summary>GET /v2/sandboxes: filters, order and pages.</summary>
internal sealed record SandboxList
{
    private const int MaxLimit = 100;

    public required IReadOnlyList<string> States { get; init; }
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    public required bool Ascending { get; init; }
    public required DateTimeOffset? StartedAfter { get; init; }
    public required string? Template { get; init; }
    public required int Limit { get; init; }
    public required (DateTimeOffset StartedAt, string Id)? After { get; init; }

    /// <exception cref="E2BException">400.</exception>
    public static SandboxList Parse(IQueryCollection query) => new()
    {
        States = StatesOf(query["state"]),
        Metadata = MetadataOf(query["metadata"]),
        Ascending = query["order"].ToString() switch
        {
            "" or "desc" => false,
            "asc" => true,
            var order => throw E2BException.Bad($"order must be asc or desc, not '{order}'"),
        },
        StartedAfter = query["startedAfter"].ToString() is { Length: > 0 } text ? TimeOf(text) : null,
        Template = query["template"].ToString() is { Length: > 0 } template ? template : null,
        Limit = LimitOf(query["limit"]),
        After = query["nextToken"].ToString() is { Length: > 0 } token ? TokenOf(token) : null,
    };

    /// <summary>A page, and where the next one begins; null: there is none.</summary>
    public (List<SandboxDetail> Page, string? Next) Apply(IEnumerable<SandboxDetail> all)
    {
        var matching = all.Where(Matches);
        var ordered = Ascending
            ? matching.OrderBy(item => item.StartedAt).ThenBy(item => item.SandboxID, StringComparer.Ordinal)
            : matching.OrderByDescending(item => item.StartedAt).ThenByDescending(item => item.SandboxID, StringComparer.Ordinal);
        var rest = After is { } after ? ordered.SkipWhile(item => !IsBehind(item, after)) : ordered;
        var page = rest.Take(Limit + 1).ToList();
        if (page.Count <= Limit)
            return (page, null);
        page.RemoveAt(Limit);
        return (page, Token(page[^1]));
    }

    private bool Matches(SandboxDetail item) => States.Contains(item.State)
        && Metadata.All(pair => item.Metadata is { } metadata && metadata.TryGetValue(pair.Key, out var value) && value == pair.Value)
        && (StartedAfter is not { } after || item.StartedAt >= after)
        && (Template is null || item.TemplateID == Template || item.Alias == Template);

    private bool IsBehind(SandboxDetail item, (DateTimeOffset StartedAt, string Id) after)
    {
        var order = item.StartedAt.CompareTo(after.StartedAt);
        if (order == 0)
            order = string.CompareOrdinal(item.SandboxID, after.Id);
        return Ascending ? order > 0 : order < 0;
    }

    private static string Token(SandboxDetail last) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{last.StartedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)}__{last.SandboxID}"));

    private static (DateTimeOffset, string) TokenOf(string token)
    {
        try
        {
            var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token)).Split("__");
            if (parts.Length >= 2 && SandboxId.TryParse(parts[1], out _))
                return (TimeOf(parts[0]), parts[1]);
        }
        catch (FormatException)
        {
            // said below
        }
        throw E2BException.Bad("nextToken is not one that this server gave");
    }

    private static DateTimeOffset TimeOf(string text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
        ? time
        : throw E2BException.Bad($"'{(text.Length <= 40 ? text : text[..40])}' is no time; use RFC 3339");

    private static string[] StatesOf(string? text)
    {
        var states = string.IsNullOrEmpty(text) ? ["running", "paused"] : text.Split(',');
        foreach (var state in states.Where(state => state is not ("running" or "paused")))
            throw E2BException.Bad($"state must be running or paused, not '{state}'");
        return states;
    }

    private static int LimitOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return MaxLimit;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxLimit
            ? limit
            : throw E2BException.Bad($"limit must be 1 to {MaxLimit}");
    }

    /// <summary>The clients encode three times: each name and value, the pairs as a form, and that as a value of the query.</summary>
    public static Dictionary<string, string> MetadataOf(string? text)
    {
        var metadata = new Dictionary<string, string>();
        foreach (var pair in (text ?? "").Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = pair.Split('=', 2);
            if (parts.Length != 2)
                throw E2BException.Bad("metadata must be pairs of name=value");
            metadata[Decode(parts[0])] = Decode(parts[1]);
        }
        return metadata;

        static string Decode(string part) => Uri.UnescapeDataString(Uri.UnescapeDataString(part.Replace('+', ' ')));
    }
}
