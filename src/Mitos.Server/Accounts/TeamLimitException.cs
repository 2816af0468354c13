using System.Globalization;

namespace Mitos.Server.Accounts;

/// <summary>A team has, or makes, as many sandboxes as it may. 429.</summary>
internal sealed class TeamLimitException(string message, string remedy, TimeSpan retryAfter) : Exception(message)
{
    public string Remedy { get; } = remedy;

    /// <summary>When it is worth to try again.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;

    /// <summary>Puts that into the head of an answer, in whole seconds: E2B's clients try again by themselves then.</summary>
    public void Tell(HttpResponse response) => response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(RetryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
}
