namespace Mitos.Engine.Sandboxes;

/// <summary>Environments and labels.</summary>
internal static class NameValues
{
    /// <summary>Both; where both have a name, the value of <paramref name="above"/>.</summary>
    public static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> below, IReadOnlyDictionary<string, string> above)
    {
        var merged = new Dictionary<string, string>(below);
        foreach (var (key, value) in above)
            merged[key] = value;
        return merged;
    }
}
