using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Mitos.Engine.Recovery;

/// <summary>Small JSON files that are replaced as a whole: a reader sees the old one or the new one, never a part.</summary>
public static class Journal
{
    /// <exception cref="IOException">The file system is full; the old file is still there.</exception>
    public static void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        var draft = path + ".new";
        File.WriteAllBytes(draft, JsonSerializer.SerializeToUtf8Bytes(value, type));
        File.Move(draft, path, overwrite: true);
    }

    /// <summary>The value, or null when there is no file or it cannot be understood.</summary>
    public static T? TryRead<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }
}
