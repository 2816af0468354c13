namespace Mitos.Server.Accounts;

/// <summary>How many sandboxes each team made in the last minute. Not kept over a restart.</summary>
internal sealed class CreationRate(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private readonly Dictionary<string, Queue<(long At, int Count)>> _made = [];
    private readonly Lock _lock = new();

    /// <summary>Counts sandboxes that are about to be made.</summary>
    /// <exception cref="TeamLimitException">They would be too many.</exception>
    public void Count(Team team, int count)
    {
        lock (_lock)
        {
            if (!_made.TryGetValue(team.Id, out var made))
                _made[team.Id] = made = new();
            var now = time.GetTimestamp();
            while (made.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At, now) >= Window)
                made.Dequeue();
            var room = team.CreatePerMinute - made.Sum(entry => entry.Count);
            if (count > room)
                throw Refuse(team, made, count - room, now);
            made.Enqueue((now, count));
        }
    }

    private TeamLimitException Refuse(Team team, Queue<(long At, int Count)> made, int missing, long now)
    {
        var wait = Window;
        foreach (var (at, count) in made)
        {
            wait = Window - time.GetElapsedTime(at, now);
            missing -= count;
            if (missing <= 0)
                break;
        }
        return new TeamLimitException($"Team '{team.Name}' may make {team.CreatePerMinute} sandboxes in a minute, and has made them.", "Wait as long as Retry-After says.", wait);
    }
}
