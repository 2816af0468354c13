namespace Mitos.Probe.Tests;

/// <summary>Against hanging: a minute for each wait.</summary>
internal static class Limit
{
    public static CancellationToken Token => new CancellationTokenSource(TimeSpan.FromMinutes(1)).Token;
}

internal static class ProbeClientExtensions
{
    /// <summary>Waits until the invariant has been kept for a number of iterations.</summary>
    public static async Task RunInvariantAsync(this ProbeClient probe, ulong iterations)
    {
        var limit = Limit.Token;
        while ((await probe.ReportInvariantAsync(limit)).Iterations < iterations)
            await Task.Delay(5, limit);
    }
}
