using System.Globalization;

namespace Mitos.Server.Tls;

/// <summary>--domain D[:P]</summary>
internal static class DomainOption
{
    private const int MaxLength = 190, MaxLabel = 63; // PORT-ID. before it makes 253 with ease

    /// <returns>The name in lower case, and the port if it has one; null: the option is empty.</returns>
    /// <exception cref="ArgumentException">It is no domain.</exception>
    public static (string? Domain, int? Port) Parse(string value)
    {
        if (value.Length == 0)
            return (null, null);
        var colon = value.IndexOf(':');
        var name = (colon < 0 ? value : value[..colon]).ToLowerInvariant();
        int? port = colon < 0 ? null : int.TryParse(value.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 65535
            ? number : throw Refuse(value);
        // Clients take no wildcard directly below a name of one label.
        var labels = name.Split('.');
        return name.Length <= MaxLength && labels.Length >= 2 && Array.TrueForAll(labels, IsLabel) && !labels[^1].All(char.IsAsciiDigit) ? (name, port) : throw Refuse(value);
    }

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= MaxLabel && label[0] != '-' && label[^1] != '-' && label.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-');

    private static ArgumentException Refuse(string value) =>
        new($"--domain must be a name of two labels or more, and may have a port, such as mitos.localhost or sandboxes.example.com:8443, not '{value}'.");
}
