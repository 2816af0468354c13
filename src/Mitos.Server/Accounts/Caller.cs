namespace Mitos.Server.Accounts;

/// <summary>Whose request is being served.</summary>
/// <param name="TeamId">Acts for this team.</param>
/// <param name="KeyId">The key that it was proven with; null: the local user.</param>
/// <param name="Address">Where it came from; null: the local socket.</param>
internal sealed record Caller(string TeamId, string? KeyId, string? Address)
{
    private static readonly AsyncLocal<Caller?> Flowing = new();

    /// <summary>The caller of the request that runs now; null: the server itself, which may do everything.</summary>
    public static Caller? Current
    {
        get => Flowing.Value;
        set => Flowing.Value = value;
    }

    /// <summary>Whether all teams' things are seen: by the local user, and by the server itself.</summary>
    public static bool SeesAll => Current is not { IsAdministrator: false };

    /// <summary>The team that new things belong to.</summary>
    public static string Team => Current?.TeamId ?? Accounts.Team.DefaultId;

    /// <summary>Whether what belongs to a team is seen.</summary>
    public static bool Sees(string teamId) => SeesAll || Current!.TeamId == teamId;

    /// <summary>The local user.</summary>
    public bool IsAdministrator => KeyId is null;

    /// <summary>The request's <c>Idempotency-Key</c>; null: none.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Sandboxes that the request made.</summary>
    public List<string> Made { get; } = [];
}
