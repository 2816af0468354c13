using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Server.Storage;

namespace Mitos.Server.Accounts;

/// <summary>The API keys, of which only hashes are kept. Reads are of memory; a change is in the database before it is seen.</summary>
internal sealed class KeyStore
{
    /// <summary>How keys began that earlier versions made, and as hashes have them. The same key with <see cref="E2BPrefix"/> is as good.</summary>
    public const string Prefix = "mitos_";

    /// <summary>How keys begin: clients of E2B's want it so.</summary>
    public const string E2BPrefix = "e2b_";

    /// <summary>Characters behind the prefix.</summary>
    public const int SecretLength = 40;

    private const int MaskLength = 4;
    private static readonly TimeSpan UseResolution = TimeSpan.FromMinutes(1);
    private readonly Database _database;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _writing = new(1);
    private volatile Dictionary<string, ApiKey> _keys; // by hash; replaced as a whole

    /// <summary>Reads the keys; takes over the file of an earlier version; makes the first one, in <c>api-key</c>, where there is none.</summary>
    /// <exception cref="SandboxException">FailedPrecondition: that file is damaged.</exception>
    public KeyStore(Database database, string stateDirectory, TimeProvider? time = null)
    {
        (_database, _time) = (database, time ?? TimeProvider.System);
        var earlier = KeyFiles.ReadList(stateDirectory);
        _keys = database.Use(context =>
        {
            var known = context.Keys.AsNoTracking().ToDictionary(key => key.Sha256);
            var added = earlier.Where(key => !known.ContainsKey(key.Sha256)).ToList();
            if (known.Count + added.Count == 0)
            {
                var (first, secret) = New(Team.DefaultId, "default");
                KeyFiles.WriteFirst(stateDirectory, secret); // first the file: a key in the database that nobody has would be the last word
                added.Add(first);
            }
            context.Keys.AddRange(added);
            context.SaveChanges();
            return known.Values.Concat(added).ToDictionary(key => key.Sha256);
        });
        KeyFiles.RetireList(stateDirectory);
    }

    /// <summary>Oldest first.</summary>
    /// <param name="teamId">Of this team; null: of all.</param>
    public IReadOnlyList<ApiKey> List(string? teamId) =>
        _keys.Values.Where(key => teamId is null || key.TeamId == teamId).OrderBy(key => key.CreatedAtMs).ThenBy(key => key.Id, StringComparer.Ordinal).ToList();

    /// <summary>Makes a key; the result is the only place where it stands.</summary>
    /// <param name="teamId">Whom it acts for.</param>
    /// <param name="name">For people.</param>
    /// <param name="maker">Id of the key that asks for it, which it cannot outlive; null: the local user.</param>
    /// <param name="expiresAt">Its end, to the millisecond; null: that of its maker, if that has one.</param>
    /// <exception cref="SandboxException">InvalidArgument: that is past, or later than the end of its maker.</exception>
    public async Task<(ApiKey Key, string Secret)> CreateAsync(string teamId, string name, string? maker = null, DateTimeOffset? expiresAt = null)
    {
        var (key, secret) = New(teamId, name);
        key = key with { ExpiresAtMs = EndOf(expiresAt, maker is null ? null : _keys.Values.FirstOrDefault(known => known.Id == maker)?.ExpiresAt)?.ToUnixTimeMilliseconds() };
        await ChangeAsync(keys => keys.Add(key.Sha256, key), context => context.Keys.Add(key));
        return (key, secret);
    }

    /// <exception cref="SandboxException">NotFound, also for another team's.</exception>
    public async Task RenameAsync(string? teamId, string id, string name)
    {
        ApiKey renamed = null!;
        await ChangeAsync(keys =>
        {
            renamed = Get(keys, teamId, id) with { Name = name };
            keys[renamed.Sha256] = renamed;
        }, context => context.Keys.Update(renamed));
    }

    /// <summary>Revokes a key, at once.</summary>
    /// <exception cref="SandboxException">NotFound, also for another team's; FailedPrecondition for the last one of the default team that is valid.</exception>
    public async Task DeleteAsync(string? teamId, string id)
    {
        ApiKey deleted = null!;
        await ChangeAsync(keys =>
        {
            deleted = Get(keys, teamId, id);
            if (deleted.TeamId == Team.DefaultId && keys.Values.All(key => key.Id == id || key.TeamId != Team.DefaultId || key.IsExpired(_time.GetUtcNow())))
                throw new SandboxException(ErrorCode.FailedPrecondition, "The last key cannot be deleted.", "Create another first.");
            keys.Remove(deleted.Sha256);
        }, context => context.Keys.Remove(deleted));
    }

    /// <summary>The key that a caller shows, which begins with <c>mitos_</c> or <c>e2b_</c>; null: it is not valid, or not any more.</summary>
    public ApiKey? Find(string key) => Known(key) is { } known && !known.IsExpired(_time.GetUtcNow()) ? known : null;

    /// <summary>The key that a caller shows, when it was valid once and has expired; null: it never was, or it is.</summary>
    public ApiKey? FindExpired(string key) => Known(key) is { } known && known.IsExpired(_time.GetUtcNow()) ? known : null;

    /// <summary>Notes that a key is used, at most once a minute. Never fails: it is not worth a request.</summary>
    public void Use(ApiKey key)
    {
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (key.LastUsedAtMs is not { } last || now - last >= UseResolution.TotalMilliseconds)
            _ = NoteUseAsync(key.Sha256, now).ContinueWith(static noted => _ = noted.Exception, TaskScheduler.Default);
    }

    private async Task NoteUseAsync(string hash, long now)
    {
        ApiKey? used = null;
        await ChangeAsync(keys =>
        {
            if (keys.TryGetValue(hash, out var key) && (key.LastUsedAtMs is not { } last || now - last >= UseResolution.TotalMilliseconds))
                keys[hash] = used = key with { LastUsedAtMs = now };
        }, context =>
        {
            if (used is not null)
                context.Keys.Update(used);
        });
    }

    private async Task ChangeAsync(Action<Dictionary<string, ApiKey>> change, Action<MitosDatabase> write)
    {
        await _writing.WaitAsync();
        try
        {
            var keys = new Dictionary<string, ApiKey>(_keys);
            change(keys);
            await _database.UseAsync(async context =>
            {
                write(context);
                return await context.SaveChangesAsync();
            });
            _keys = keys;
        }
        finally
        {
            _writing.Release();
        }
    }

    private ApiKey? Known(string key)
    {
        if (key.StartsWith(E2BPrefix, StringComparison.Ordinal))
            key = Prefix + key[E2BPrefix.Length..];
        return _keys.GetValueOrDefault(Hash(key)); // by its hash: the time that it takes says nothing of the key
    }

    private DateTimeOffset? EndOf(DateTimeOffset? wanted, DateTimeOffset? makers)
    {
        if (wanted <= _time.GetUtcNow())
            throw SandboxException.Invalid($"expiresAt is {Readable(wanted)}, which is past.", "Give a time to come, or leave it out.");
        if (wanted > makers)
            throw SandboxException.Invalid($"expiresAt is {Readable(wanted)}, later than {Readable(makers)}, when the key expires that asks for it.", "Give an earlier time, leave it out, or use another key or the unix socket of the daemon.");
        return wanted ?? makers;

        static string Readable(DateTimeOffset? time) => string.Create(CultureInfo.InvariantCulture, $"{time?.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC");
    }

    private static ApiKey Get(Dictionary<string, ApiKey> keys, string? teamId, string id) =>
        keys.Values.FirstOrDefault(key => key.Id == id && (teamId is null || key.TeamId == teamId)) ?? throw SandboxException.NotFound("key", id, "GET /v1/keys lists the keys.");

    private (ApiKey, string) New(string teamId, string name)
    {
        var secret = RandomNumberGenerator.GetHexString(SecretLength, lowercase: true);
        return (new ApiKey
        {
            Id = Guid.NewGuid().ToString(),
            TeamId = teamId,
            Name = name,
            Sha256 = Hash(Prefix + secret),
            CreatedAtMs = _time.GetUtcNow().ToUnixTimeMilliseconds(),
            MaskPrefix = secret[..MaskLength],
            MaskSuffix = secret[^MaskLength..],
        }, E2BPrefix + secret);
    }

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
