using System.Globalization;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Control;

/// <summary>GET /sandboxes and /v2/sandboxes: filters and order.</summary>
internal sealed record SandboxList
{
    public required IReadOnlyList<string> States { get; init; }
    public required IReadOnlyDictionary<string, string> Metadata { get; init; }
    public DateTimeOffset? StartedAfter { get; init; }
    public string? Template { get; init; }
    public required Paging Paging { get; init; }

    /// <exception cref="E2BException">400.</exception>
    public static SandboxList Parse(IQueryCollection query) => new()
    {
        States = StatesOf(query["state"]),
        Metadata = MetadataOf(query["metadata"]),
        StartedAfter = query["startedAfter"].ToString() is { Length: > 0 } text ? Paging.TimeOf(text) : null,
        Template = query["template"].ToString() is { Length: > 0 } template ? template : null,
        Paging = Paging.Parse(query, query["order"].ToString() switch
        {
            "" or "desc" => false,
            "asc" => true,
            var order => throw E2BException.Bad($"order must be asc or desc, not '{order}'"),
        }),
    };

    /// <summary>As the older route has it: those that run, all of them.</summary>
    /// <exception cref="E2BException">400.</exception>
    public static SandboxList ParseV1(IQueryCollection query) => new() { States = ["running"], Metadata = MetadataOf(query["metadata"]), Paging = Paging.None };

    /// <summary>A page, and in the headers of the answer where the next one begins, and how many run of all that match.</summary>
    public List<SandboxDetail> Apply(HttpContext context, SandboxControl control, IEnumerable<SandboxInfo> all)
    {
        string[]? templates = Template is null ? null : [Template, SandboxControl.TemplateName(Template), control.Resolve(Template).Id];
        var matching = all.Where(info => info.State is SandboxState.Running or SandboxState.Paused)
            .Select(info => control.Detail(info, control.LeaseOf(info), whole: false)).Where(item => Matches(item, templates)).ToList();
        context.Response.Headers["X-Total-Running"] = matching.Count(item => item.State == "running").ToString(CultureInfo.InvariantCulture);
        return Paging.Take(context, matching, item => (item.StartedAt, item.SandboxID));
    }

    private bool Matches(SandboxDetail item, string[]? templates) => States.Contains(item.State)
        && Metadata.All(pair => item.Metadata is { } metadata && metadata.TryGetValue(pair.Key, out var value) && value == pair.Value)
        && (StartedAfter is not { } after || item.StartedAt >= after)
        && (templates is null || templates.Contains(item.TemplateID));

    private static string[] StatesOf(string? text)
    {
        var states = string.IsNullOrEmpty(text) ? ["running", "paused"] : text.Split(',');
        foreach (var state in states.Where(state => state is not ("running" or "paused")))
            throw E2BException.Bad($"state must be running or paused, not '{state}'");
        return states;
    }

    // The clients encode three times: each name and value, the pairs as a form, and that as a value of the query.
    private static Dictionary<string, string> MetadataOf(string? text)
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
