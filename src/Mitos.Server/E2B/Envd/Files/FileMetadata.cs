using System.Buffers;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>What a client wants to stand beside the content of a file: its headers <c>X-Metadata-KEY</c>.</summary>
internal static class FileMetadata
{
    private const string Header = "X-Metadata-";
    private const int MaxKey = 246, MaxBytes = 4096, PrefixBytes = 9; // user.e2b.
    private static readonly SearchValues<char> Printable = SearchValues.Create([.. Enumerable.Range(0x20, 0x5F).Select(code => (char)code)]);

    /// <summary>By key in small letters; of several values of one key the first.</summary>
    /// <exception cref="ConnectException">invalid_argument.</exception>
    public static Dictionary<string, string> Of(IHeaderDictionary headers)
    {
        var metadata = new Dictionary<string, string>();
        var bytes = 0;
        foreach (var (name, values) in headers)
        {
            if (!name.StartsWith(Header, StringComparison.OrdinalIgnoreCase))
                continue;
            var (key, value) = (name[Header.Length..].ToLowerInvariant(), values.Count > 0 ? values[0] ?? "" : "");
            if (key.Length is 0 or > MaxKey)
                throw ConnectException.Invalid($"a key of metadata has {key.Length} bytes; 1 to {MaxKey} are possible");
            if (key.AsSpan().ContainsAnyExcept(Printable) || value.AsSpan().ContainsAnyExcept(Printable))
                throw ConnectException.Invalid("metadata must be printable US-ASCII");
            metadata[key] = value;
            bytes += PrefixBytes + key.Length + value.Length;
        }
        return bytes <= MaxBytes ? metadata : throw ConnectException.Invalid($"the metadata has {bytes} bytes with {PrefixBytes} for each key; at most {MaxBytes} are possible");
    }
}
