namespace Mitos.Server.Accounts;

/// <summary>A key of a team, of which only a hash is kept. A row of the database.</summary>
internal sealed record ApiKey
{
    public required string Id { get; init; }

    public required string TeamId { get; init; }

    public required string Name { get; init; }

    /// <summary>Of the key as it begins with <c>mitos_</c>; hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Unix time in ms.</summary>
    public required long CreatedAtMs { get; init; }

    /// <summary>Unix time in ms, to the minute; null: never.</summary>
    public long? LastUsedAtMs { get; init; }

    /// <summary>Unix time in ms from which on it is not valid; null: it always is.</summary>
    public long? ExpiresAtMs { get; init; }

    /// <summary>The first characters behind its prefix, to tell keys apart; empty: not known.</summary>
    public string MaskPrefix { get; init; } = "";

    /// <summary>Its last characters.</summary>
    public string MaskSuffix { get; init; } = "";

    public DateTimeOffset CreatedAt => DateTimeOffset.FromUnixTimeMilliseconds(CreatedAtMs);

    public DateTimeOffset? LastUsedAt => At(LastUsedAtMs);

    public DateTimeOffset? ExpiresAt => At(ExpiresAtMs);

    /// <summary>From its last moment on.</summary>
    public bool IsExpired(DateTimeOffset now) => ExpiresAtMs <= now.ToUnixTimeMilliseconds();

    private static DateTimeOffset? At(long? ms) => ms is { } value ? DateTimeOffset.FromUnixTimeMilliseconds(value) : null;
}
