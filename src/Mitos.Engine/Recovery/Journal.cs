using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Mitos.Engine.Recovery;

/// <summary>Small JSON files that are replaced as a whole: a reader sees the old one or the new one, never a part.</summary>
public static class Journal
{
    private const string DraftSuffix = ".new";

    /// <exception cref="IOException">The file system is full; the old file is still there.</exception>
    public static void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        var draft = path + DraftSuffix;
        try
        {
            File.Delete(draft); // one that was left might have another mode
            using (var file = new FileStream(draft, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
                file.Write(JsonSerializer.SerializeToUtf8Bytes(value, type)); // tokens and environments are in some
            File.Move(draft, path, overwrite: true);
        }
        catch
        {
            File.Delete(draft);
            throw;
        }
    }

    /// <summary>Deletes what writers that were killed left half-written in a directory.</summary>
    public static void DeleteDrafts(string directory)
    {
        foreach (var draft in Directory.EnumerateFiles(directory, "*" + DraftSuffix))
            File.Delete(draft);
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
