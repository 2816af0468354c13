using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Mitos.Server.Observability;

/// <summary>What the server itself counts, and its spans beside those that ASP.NET makes of requests.</summary>
internal static class ServerMeter
{
    public const string Name = "Mitos.Server";

    /// <summary>Work that no request asked for.</summary>
    public static readonly ActivitySource Trace = new(Name);

    private static readonly Meter Meter = new(Name);
    private static readonly Counter<long> Errors = Meter.CreateCounter<long>("mitos.errors", null, "Error bodies answered, by code.");
    private static readonly Counter<long> Ends = Meter.CreateCounter<long>("mitos.reaper.ends", null, "Sandboxes whose time was over, by action: kill, pause; failed: it runs on for now.");

    /// <param name="code">One of <see cref="Contracts.ErrorCodes"/>.</param>
    public static void Refused(string code) => Errors.Add(1, new KeyValuePair<string, object?>("code", code));

    public static void Ended(string action) => Ends.Add(1, new KeyValuePair<string, object?>("action", action));
}
