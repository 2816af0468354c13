using System.Text.RegularExpressions;
using Mitos.Engine.Errors;

namespace Mitos.Engine.Sandboxes;

/// <summary>What names, environments and shapes may be.</summary>
internal static partial class SandboxRules
{
    public static void CheckName(string? name, string kind)
    {
        if (name is not null && (!Names().IsMatch(name) || (kind == "sandbox" && SandboxId.TryParse(name, out _))))
        {
            throw SandboxException.Invalid($"'{(name.Length <= 80 ? name : name[..80] + "…")}' cannot be the name of a {kind}.",
                "Use 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or digit.");
        }
    }

    public static void CheckEnvironment(IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (key, value) in environment)
        {
            if (value is null)
                throw SandboxException.Invalid($"'{(key.Length <= 80 ? key : key[..80] + "…")}' has no value in an environment.", "Give an empty text for an empty variable.");
            if (key.Length is 0 or > 256 || key.Contains('=') || key.Contains('\0') || value.Contains('\0') || value.Length > 32 << 10)
                throw SandboxException.Invalid($"'{(key.Length <= 80 ? key : key[..80] + "…")}' cannot be set in an environment.", "Names have no '=' and no NUL, at most 256 characters; values at most 32 KiB.");
        }
        if (environment.Count > 256)
            throw SandboxException.Invalid($"An environment of {environment.Count} variables; at most 256 are possible.", "Put the rest into a file of the sandbox.");
    }

    public static void CheckShape(int? cpuCount, int? memoryMiB)
    {
        if (cpuCount is < 1 or > 32)
            throw SandboxException.Invalid($"A machine cannot have {cpuCount} cpus.", "Use 1 to 32.");
        if (memoryMiB is < 128 or > 65536)
            throw SandboxException.Invalid($"A machine cannot have {memoryMiB} MiB of memory.", "Use 128 to 65536.");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\z")]
    private static partial Regex Names();
}
