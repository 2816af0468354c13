using Mitos.Engine;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Templates;
using Mitos.Engine.Templates.Recipes;
using Mitos.Server.Accounts;

namespace Mitos.Server.Lifecycles;

/// <summary>
/// The engine's templates as the present caller has them: another team's private ones are not there, and only its own team changes or removes one.
/// Owner and visibility are labels of a template: they are written with it, and go with it.
/// </summary>
internal sealed class OwnedTemplates(IHostEngine engine) : ITemplates
{
    private const string OwnerLabel = "team", PublicLabel = "public";
    private readonly ITemplates _inner = engine.Templates;
    private readonly Dictionary<string, (string TeamId, int Builds)> _building = [];

    /// <summary>Whether all teams may use it. Templates of the default team, the operator's, are public until they are made private; others the other way round.</summary>
    public static bool IsPublic(TemplateInfo template) => IsPublic(template.Metadata);

    public async Task<TemplateInfo> BuildAsync(BuildTemplateSpec spec, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (spec.From is { } parent)
            Check(parent);
        Begin(spec.Name);
        try
        {
            var labels = new Dictionary<string, string>(spec.Metadata);
            if (!BuiltInTemplates.Contains(spec.Name) && Caller.Team != Team.DefaultId)
                (labels[OwnerLabel], labels[PublicLabel]) = (Caller.Team, "false");
            return await _inner.BuildAsync(spec with { Metadata = labels }, progress, cancellationToken);
        }
        finally
        {
            End(spec.Name);
        }
    }

    public IReadOnlyList<TemplateInfo> List() => Caller.SeesAll ? _inner.List() : _inner.List().Where(template => IsSeen(template.Metadata)).ToList();

    public TemplateInfo Get(string name)
    {
        Check(name);
        return _inner.Get(name);
    }

    public IReadOnlyDictionary<string, string>? TryGetMetadata(string name) => _inner.TryGetMetadata(RootOf(name)) is { } labels && IsSeen(labels) ? labels : null;

    public TemplateInfo SetMetadata(string name, IReadOnlyDictionary<string, string> metadata)
    {
        CheckOwner(name);
        return _inner.SetMetadata(name, metadata);
    }

    /// <summary>Says who may use it.</summary>
    /// <exception cref="SandboxException">NotFound.</exception>
    /// <exception cref="NotOwnerException">It is another team's.</exception>
    public TemplateInfo SetVisibility(string name, bool isPublic) =>
        _inner.SetMetadata(name, new Dictionary<string, string>(CheckOwner(name)) { [PublicLabel] = isPublic ? "true" : "false" });

    public Task RemoveAsync(string name, CancellationToken cancellationToken)
    {
        CheckOwner(name);
        return _inner.RemoveAsync(name, cancellationToken);
    }

    /// <summary>Whether the caller may make sandboxes of it, and build on it.</summary>
    /// <exception cref="SandboxException">NotFound: it is not there for him.</exception>
    public void Check(string name) => LabelsOf(name);

    private IReadOnlyDictionary<string, string> LabelsOf(string name)
    {
        if (TryGetMetadata(name) is { } labels)
            return labels;
        if (Caller.SeesAll || (BuiltInTemplates.Contains(name) && _inner.TryGetMetadata(name) is null))
            _inner.Get(name); // it knows best what to do
        var shown = name.Length <= 80 ? name : name[..80] + "…";
        throw SandboxException.NotFound("template", shown, Nearest.Suggest(shown, List().Select(template => template.Name)) ?? $"`mitos template ls` lists the templates; `mitos template build {(name.Length <= 63 ? name : "NAME")}` makes one.");
    }

    private IReadOnlyDictionary<string, string> CheckOwner(string name)
    {
        var labels = LabelsOf(name);
        return Caller.Sees(OwnerOf(labels)) ? labels : throw new NotOwnerException($"The template '{name}' is another team's: it can be used, and not changed or removed.", $"Build one of your own on it: `mitos template build NAME --from {name}`.");
    }

    // A name belongs to who builds first, from the beginning of that: what another team begins meanwhile would replace it.
    private void Begin(string name)
    {
        lock (_building)
        {
            if (_inner.TryGetMetadata(RootOf(name)) is { } labels && !Caller.Sees(OwnerOf(labels)))
                throw Taken(name);
            var (team, builds) = _building.GetValueOrDefault(name, (Caller.Team, 0));
            if (team != Caller.Team)
                throw Taken(name);
            _building[name] = (team, builds + 1);
        }
    }

    private void End(string name)
    {
        lock (_building)
        {
            if (_building[name] is (var team, > 1 and var builds))
                _building[name] = (team, builds - 1);
            else
                _building.Remove(name);
        }
    }

    private static SandboxException Taken(string name) => new(ErrorCode.Conflict, $"The template '{name}' is another team's.", "Build under another name.");

    private static bool IsSeen(IReadOnlyDictionary<string, string> labels) => IsPublic(labels) || Caller.Sees(OwnerOf(labels));

    private static bool IsPublic(IReadOnlyDictionary<string, string> labels) => labels.GetValueOrDefault(PublicLabel) != "false";

    private static string OwnerOf(IReadOnlyDictionary<string, string> labels) => labels.GetValueOrDefault(OwnerLabel, Team.DefaultId);

    // NAME@2x1024 is a shape of NAME.
    private static string RootOf(string name) => name.IndexOf('@') is var at and > 0 ? name[..at] : name;
}
