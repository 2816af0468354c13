using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Engine.Errors;

namespace Mitos.Server.Accounts;

/// <summary>The files of keys in the state directory: the first key, for the local user, and the list that earlier versions kept.</summary>
internal static class KeyFiles
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes the first key to <c>api-key</c>.</summary>
    public static void WriteFirst(string stateDirectory, string key)
    {
        var path = Path.Combine(stateDirectory, "api-key");
        File.Delete(path + ".new"); // one that an earlier run left might have another mode
        using (var file = new FileStream(path + ".new", new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Private }))
        {
            file.Write(Encoding.ASCII.GetBytes(key + "\n"));
            file.Flush(flushToDisk: true);
        }
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>The keys in <c>keys.json</c>; empty when it is not there.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: it is damaged.</exception>
    public static List<ApiKey> ReadList(string stateDirectory)
    {
        var path = PathOfList(stateDirectory);
        if (!File.Exists(path))
            return [];
        try
        {
            var records = JsonSerializer.Deserialize(File.ReadAllBytes(path), KeyJson.Default.ListKeyRecord) ?? throw new JsonException("it has no list");
            return records.Select(record => new ApiKey
            {
                Id = record.Id,
                TeamId = Team.DefaultId,
                Name = record.Name,
                Sha256 = record.Sha256,
                CreatedAtMs = record.CreatedAt.ToUnixTimeMilliseconds(),
            }).ToList();
        }
        catch (JsonException e)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The file of the API keys, {path}, is damaged: {e.Message}", "Mend it; or remove it, and its keys are not valid any more.", e);
        }
    }

    /// <summary>Puts the list aside, once its keys are in the database.</summary>
    public static void RetireList(string stateDirectory)
    {
        var path = PathOfList(stateDirectory);
        if (File.Exists(path))
            File.Move(path, path + ".taken-over", overwrite: true);
    }

    private static string PathOfList(string stateDirectory) => Path.Combine(stateDirectory, "keys.json");
}

/// <summary>What earlier versions wrote of a key.</summary>
internal sealed record KeyRecord(string Id, string Name, DateTimeOffset CreatedAt, string Sha256);

[JsonSerializable(typeof(List<KeyRecord>))]
internal sealed partial class KeyJson : JsonSerializerContext;
