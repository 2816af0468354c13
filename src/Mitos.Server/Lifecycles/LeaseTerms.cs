using Mitos.Engine.Errors;

namespace Mitos.Server.Lifecycles;

/// <summary>How long a sandbox is to live, as our own API asks for it.</summary>
/// <param name="Life">From now on; null: not said.</param>
/// <param name="Pause">Whether it is paused then, instead of removed; null: not said.</param>
internal readonly record struct LeaseTerms(TimeSpan? Life, bool? Pause)
{
    private const int MaxSeconds = 30 * 24 * 3600;

    /// <exception cref="SandboxException">InvalidArgument.</exception>
    public static LeaseTerms Parse(int? timeoutSeconds, string? onTimeout)
    {
        if (timeoutSeconds is < 1 or > MaxSeconds)
            throw SandboxException.Invalid($"A sandbox cannot live for {timeoutSeconds} seconds.", $"Use 1 to {MaxSeconds}, or leave timeoutSeconds out: it lives until it is removed.");
        bool? pause = onTimeout switch
        {
            null => null,
            "kill" => false,
            "pause" => true,
            _ => throw SandboxException.Invalid($"'{(onTimeout.Length <= 40 ? onTimeout : onTimeout[..40] + "…")}' is nothing that can happen to a sandbox when its time is over.", "onTimeout is kill or pause."),
        };
        return new LeaseTerms(timeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null, pause);
    }

    /// <summary>The terms where nothing was agreed before.</summary>
    /// <returns>Null: it has no end.</returns>
    /// <exception cref="SandboxException">InvalidArgument: it says what happens at the end of a life that has none.</exception>
    public (TimeSpan Life, bool Pause)? Alone()
    {
        if (Life is { } life)
            return (life, Pause ?? false);
        return Pause is null ? null : throw SandboxException.Invalid("onTimeout says what happens when a sandbox's time is over, and this one has no end.", "Give timeoutSeconds too, or leave both out.");
    }
}
