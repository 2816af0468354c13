using System.Text;
using System.Text.RegularExpressions;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Sandboxes;

/// <summary>What names, environments and shapes may be.</summary>
internal static partial class SandboxRules
{
    private const int MaxEntries = 256, MaxKey = 256, MaxBytes = 48 << 10;

    public static void CheckName(string? name, string kind)
    {
        if (name is not null && (!Names().IsMatch(name) || (kind == "sandbox" && SandboxId.TryParse(name, out _))))
        {
            throw SandboxException.Invalid($"'{Shown(name)}' cannot be the name of a {kind}.",
                "Use 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit.");
        }
    }

    /// <summary>Environment variables, all together: they reach the guest in one message.</summary>
    public static void CheckEnvironment(IReadOnlyDictionary<string, string> environment)
    {
        Check(environment, "environment");
        foreach (var (key, value) in environment)
        {
            if (key.Contains('=') || key.Contains('\0') || value.Contains('\0'))
                throw SandboxException.Invalid($"'{Shown(key)}' cannot be set in an environment.", "Names have no '=', and neither they nor values have a NUL.");
        }
    }

    /// <summary>Labels.</summary>
    public static void CheckMetadata(IReadOnlyDictionary<string, string> metadata) => Check(metadata, "metadata");

    private static void Check(IReadOnlyDictionary<string, string> map, string what)
    {
        if (map.Count > MaxEntries)
            throw SandboxException.Invalid($"There are {map.Count} entries in {what}.", $"Use at most {MaxEntries}.");
        var bytes = 0;
        foreach (var (key, value) in map)
        {
            if (key.Length is 0 or > MaxKey)
                throw SandboxException.Invalid($"'{Shown(key)}' cannot be a name in {what}.", $"Use 1 to {MaxKey} characters.");
            if (value is null)
                throw SandboxException.Invalid($"'{Shown(key)}' has no value in {what}.", "Give it a text, or leave it out.");
            bytes += Encoding.UTF8.GetByteCount(key) + Encoding.UTF8.GetByteCount(value);
        }
        if (bytes > MaxBytes)
            throw SandboxException.Invalid($"The {what} has {bytes} bytes, those that it was made from included.", $"Use at most {MaxBytes}; write larger values to a file.");
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";

    public static void CheckShape(int? cpuCount, int? memoryMiB)
    {
        if (cpuCount is < 1 or > 32)
            throw SandboxException.Invalid($"A machine cannot have {cpuCount} cpus.", "Use 1 to 32.");
        if (memoryMiB is < 128 or > 65536)
            throw SandboxException.Invalid($"A machine cannot have {memoryMiB} MiB of memory.", "Use 128 to 65536.");
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\z")] // not $: it would let a line feed pass
    private static partial Regex Names();
}
