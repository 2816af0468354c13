using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Server.Requests;
using Mitos.Server.Storage;

namespace Mitos.Server.Lifecycles;

/// <summary>Keeps the database bounded: events of a week, and no more than so many; answers for a day.</summary>
internal sealed class Housekeeping(Database database, TimeProvider time, ILogger<Housekeeping> logger) : BackgroundService
{
    /// <summary>How long events are kept.</summary>
    public static readonly TimeSpan EventsFor = TimeSpan.FromDays(7);

    /// <summary>Most events that are kept.</summary>
    public const int MaxEvents = 200_000;

    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(30);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            try
            {
                await RunOnceAsync(database, time.GetUtcNow(), MaxEvents);
            }
            catch (SandboxException e)
            {
                logger.LogWarning("old events could not be removed: {Reason}", e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    public static Task<int> RunOnceAsync(Database database, DateTimeOffset now, int maxEvents) => database.UseAsync(async context =>
    {
        var oldest = (now - EventsFor).ToUnixTimeMilliseconds();
        var removed = await context.Events.Where(row => row.AtMs < oldest).ExecuteDeleteAsync();
        if (await context.Events.OrderByDescending(row => row.Sequence).Skip(maxEvents).Select(row => (long?)row.Sequence).FirstOrDefaultAsync() is { } last)
            removed += await context.Events.Where(row => row.Sequence <= last).ExecuteDeleteAsync();
        var answered = (now - IdempotentCall.KeptFor).ToUnixTimeMilliseconds();
        return removed + await context.Calls.Where(row => row.CreatedAtMs < answered).ExecuteDeleteAsync();
    });
}
