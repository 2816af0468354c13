using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mitos.Contracts;
using Mitos.Engine.Errors;

namespace Mitos.Server.Accounts;

/// <summary>The API keys, of which only hashes are kept. The first is made at the first start and written for the local user.</summary>
internal sealed class KeyStore
{
    private const string Prefix = "mitos_";

    /// <summary>How clients of E2B's want keys to begin.</summary>
    public const string E2BPrefix = "e2b_";

    /// <summary>Characters behind the prefix.</summary>
    public const int SecretLength = 40;

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly string _path;
    private readonly Lock _lock = new();
    private List<KeyRecord> _keys;

    /// <param name="stateDirectory">Has, or gets, <c>keys.json</c> and <c>api-key</c>.</param>
    /// <exception cref="SandboxException">FailedPrecondition: the file is damaged.</exception>
    public KeyStore(string stateDirectory)
    {
        _path = Path.Combine(stateDirectory, "keys.json");
        _keys = File.Exists(_path) ? Read() : [];
        if (_keys.Count > 0)
            return;
        var first = Create("default");
        WritePrivate(Path.Combine(stateDirectory, "api-key"), Encoding.ASCII.GetBytes(first.Key + "\n"));
    }

    public List<KeyBody> List()
    {
        lock (_lock)
            return _keys.Select(key => new KeyBody(key.Id, key.Name, key.CreatedAt, null)).ToList();
    }

    /// <summary>Makes a key; the result is the only place where it stands.</summary>
    public KeyBody Create(string name)
    {
        var key = Prefix + RandomNumberGenerator.GetHexString(SecretLength, lowercase: true);
        var record = new KeyRecord(RandomNumberGenerator.GetHexString(8, lowercase: true), name, DateTimeOffset.UtcNow, Hash(key));
        lock (_lock)
            Save([.. _keys, record]);
        return new KeyBody(record.Id, name, record.CreatedAt, key);
    }

    /// <exception cref="SandboxException">NotFound; FailedPrecondition for the last one.</exception>
    public void Delete(string id)
    {
        lock (_lock)
        {
            if (_keys.All(key => key.Id != id))
                throw SandboxException.NotFound("key", id, "GET /v1/keys lists the keys.");
            if (_keys.Count == 1)
                throw new SandboxException(ErrorCode.FailedPrecondition, "The last key cannot be deleted.", "Create another first.");
            Save(_keys.Where(key => key.Id != id).ToList());
        }
    }

    /// <summary>A key begins with <c>mitos_</c>, or, where a client of E2B's insists on it, with <c>e2b_</c>.</summary>
    public bool IsValid(string key)
    {
        if (key.StartsWith(E2BPrefix, StringComparison.Ordinal))
            key = Prefix + key[E2BPrefix.Length..];
        var hash = Encoding.ASCII.GetBytes(Hash(key));
        lock (_lock)
            return _keys.Any(record => CryptographicOperations.FixedTimeEquals(hash, Encoding.ASCII.GetBytes(record.Sha256)));
    }

    /// <summary>The same key as clients of E2B's want it.</summary>
    public static string ToE2B(string key) => E2BPrefix + key[Prefix.Length..];

    private List<KeyRecord> Read()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(_path), KeyJson.Default.ListKeyRecord) ?? throw new JsonException("it has no list");
        }
        catch (JsonException e)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The file of the API keys, {_path}, is damaged: {e.Message}", "Mend it; or remove it, and a first key is made anew.", e);
        }
    }

    private void Save(List<KeyRecord> keys)
    {
        WritePrivate(_path, JsonSerializer.SerializeToUtf8Bytes(keys, KeyJson.Default.ListKeyRecord));
        _keys = keys;
    }

    private static void WritePrivate(string path, byte[] content)
    {
        File.Delete(path + ".new"); // one that an earlier run left might have another mode
        using (var file = new FileStream(path + ".new", new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Private }))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }
        File.Move(path + ".new", path, overwrite: true);
    }

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}

/// <summary>What is written of a key.</summary>
internal sealed record KeyRecord(string Id, string Name, DateTimeOffset CreatedAt, string Sha256);

[JsonSerializable(typeof(List<KeyRecord>))]
internal sealed partial class KeyJson : JsonSerializerContext;
