using Mitos.Server.Accounts;
using Mitos.Server.Tests.Storage;

namespace Mitos.Server.Tests.Accounts;

public sealed class CreationRateTests
{
    [Fact]
    public void What_is_too_much_for_a_minute_waits_until_enough_of_it_is_a_minute_old()
    {
        var time = new SetTime(DateTimeOffset.UnixEpoch.AddYears(50));
        var rate = new CreationRate(time);
        var team = new Team { Id = "t", Name = "t", CreatedAtMs = 0, CreatePerMinute = 10 };
        rate.Count(team, 4);
        time.Now += TimeSpan.FromSeconds(20);
        rate.Count(team, 5);
        time.Now += TimeSpan.FromSeconds(10);
        rate.Count(team, 1);
        Assert.Equal(TimeSpan.FromSeconds(30), Assert.Throws<TeamLimitException>(() => rate.Count(team, 4)).RetryAfter);
        Assert.Equal(TimeSpan.FromSeconds(50), Assert.Throws<TeamLimitException>(() => rate.Count(team, 5)).RetryAfter);
        rate.Count(team with { Id = "other" }, 10);
        time.Now += TimeSpan.FromSeconds(30);
        rate.Count(team, 4);
        Assert.Throws<TeamLimitException>(() => rate.Count(team, 1));
    }
}
