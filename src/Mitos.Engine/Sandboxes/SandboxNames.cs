using Mitos.Engine.Errors;

namespace Mitos.Engine.Sandboxes;

/// <summary>Which of some sandboxes somebody means.</summary>
public static class SandboxNames
{
    /// <summary>Finds by whole id, by name, or by an unambiguous beginning of an id.</summary>
    /// <exception cref="SandboxException">NotFound, its remedy naming the nearest; Conflict when the name or the beginning is ambiguous.</exception>
    public static T Find<T>(string idOrName, IReadOnlyList<T> all, Func<T, string> id, Func<T, string?> name)
        where T : class
    {
        if (all.FirstOrDefault(sandbox => id(sandbox) == idOrName) is { } found)
            return found;
        var named = all.Where(sandbox => name(sandbox) == idOrName).ToList();
        if (named.Count > 1)
            throw new SandboxException(ErrorCode.Conflict, $"{named.Count} sandboxes are named '{idOrName}'.", "Give the id: " + string.Join(", ", named.Select(id).Order(StringComparer.Ordinal).Take(5)));
        if (named.Count == 1)
            return named[0];
        var matches = idOrName.Length > 0 ? all.Where(sandbox => id(sandbox).StartsWith(idOrName, StringComparison.Ordinal)).ToList() : [];
        if (matches.Count == 1)
            return matches[0];
        var shown = idOrName.Length <= 80 ? idOrName : idOrName[..80] + "…";
        if (matches.Count > 1)
            throw new SandboxException(ErrorCode.Conflict, $"'{shown}' is the beginning of {matches.Count} ids.", "Give more of it: " + string.Join(", ", matches.Select(id).Order(StringComparer.Ordinal).Take(5)));
        var known = all.SelectMany(sandbox => name(sandbox) is { } own ? new[] { id(sandbox), own } : [id(sandbox)]);
        throw SandboxException.NotFound("sandbox", shown, Nearest.Suggest(shown, known) ?? "`mitos ls` lists the sandboxes.");
    }
}
