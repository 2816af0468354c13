namespace Mitos.Server.Accounts;

/// <summary>Who owns sandboxes and keys. A row of the database.</summary>
internal sealed record Team
{
    /// <summary>Of the team that is always there, and that the local user acts for.</summary>
    public const string DefaultId = "00000000-0000-4000-8000-000000000001";

    /// <summary>In what the names of a team's sandboxes are unique. Sandboxes from before there were teams have the default team's.</summary>
    public static string NameScope(string teamId) => teamId == DefaultId ? "" : teamId;

    /// <summary>A UUID.</summary>
    public required string Id { get; init; }

    /// <summary>Unique.</summary>
    public required string Name { get; init; }

    /// <summary>Unix time in ms.</summary>
    public required long CreatedAtMs { get; init; }

    /// <summary>Most sandboxes that run at once.</summary>
    public int ConcurrentSandboxes { get; init; } = 1000;

    /// <summary>Most sandboxes made in a minute; each child of a fork counts.</summary>
    public int CreatePerMinute { get; init; } = 10_000;

    /// <summary>Longest life that may be asked for.</summary>
    public int MaxTimeoutSeconds { get; init; } = 24 * 3600;
}
