using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Mitos.Engine.Disks;

/// <summary>The id of one layer of a disk: 16 hexadecimal digits.</summary>
public readonly record struct LayerId
{
    private readonly string _value;

    private LayerId(string value) => _value = value;

    public static LayerId New() => new(RandomNumberGenerator.GetHexString(16, lowercase: true));

    public static bool TryParse([NotNullWhen(true)] string? text, out LayerId id)
    {
        var ok = text is { Length: 16 } && text.All(char.IsAsciiHexDigitLower);
        id = ok ? new LayerId(text!) : default;
        return ok;
    }

    /// <exception cref="FormatException">Not an id of a layer.</exception>
    public static LayerId Parse(string text) => TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is not the id of a disk layer.");

    public override string ToString() => _value ?? "";
}
