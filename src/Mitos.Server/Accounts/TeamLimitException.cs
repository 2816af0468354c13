namespace Mitos.Server.Accounts;

/// <summary>A team has, or makes, as many sandboxes as it may. 429.</summary>
internal sealed class TeamLimitException(string message, string remedy, TimeSpan? retryAfter = null) : Exception(message)
{
    public string Remedy { get; } = remedy;

    /// <summary>When it may be tried again; null: when one of them has ended.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
