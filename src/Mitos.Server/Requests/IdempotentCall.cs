namespace Mitos.Server.Requests;

/// <summary>A request with an <c>Idempotency-Key</c>, and what it was answered. A row of the database.</summary>
internal sealed record IdempotentCall
{
    /// <summary>How long the answer is given again.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(24);

    public required string TeamId { get; init; }

    /// <summary>As the client gave it.</summary>
    public required string Key { get; init; }

    /// <summary>Of method, path and body; hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Unix time in ms.</summary>
    public required long CreatedAtMs { get; init; }

    /// <summary>Of the answer; null: it is being made, or the daemon ended meanwhile.</summary>
    public int? Status { get; init; }

    /// <summary>The answer's body, JSON.</summary>
    public string? Body { get; init; }
}
