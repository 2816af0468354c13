using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Mitos.Engine.Sandboxes;

/// <summary>The id of a sandbox: <c>i</c> and 20 lower-case letters and digits, as clients of E2B's know them. It stays the same for the sandbox's whole life.</summary>
public readonly record struct SandboxId
{
    private const int Length = 21;
    private static readonly SearchValues<char> Alphabet = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789");
    private readonly string _value;

    private SandboxId(string value) => _value = value;

    public static SandboxId New() =>
        new("i" + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", Length - 1));

    public static bool TryParse([NotNullWhen(true)] string? text, out SandboxId id)
    {
        var ok = text is { Length: Length } && text[0] == 'i' && !text.AsSpan().ContainsAnyExcept(Alphabet);
        id = ok ? new SandboxId(text!) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not an id of a sandbox.</exception>
    public static SandboxId Parse(string text) =>
        TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not the id of a sandbox.");

    public override string ToString() => _value ?? "";
}
