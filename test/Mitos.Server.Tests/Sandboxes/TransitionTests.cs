using System.Globalization;
using Mitos.Contracts;
using Mitos.Engine.Sandboxes;
using Mitos.Server.Tests.Api;

namespace Mitos.Server.Tests.Sandboxes;

/// <summary>
/// Requests that meet a pause. Each is answered: by the machine before it, by the one after it, or by the refusal that a paused sandbox has; and what was counted
/// in the guest's memory is counted on.
/// </summary>
public sealed class TransitionTests(ServerFixture server)
{
    private const int Port = 8000, Rounds = 6;

    [Fact]
    public async Task What_arrives_during_a_pause_waits_for_its_end_and_wakes_what_may_be_woken()
    {
        await using var visitor = await VisitorAsync(autoResume: true);
        await visitor.FillAsync(); // its pause takes a while
        await DuringPauseAsync(visitor, async () =>
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => visitor.AskAsync(i % 2 == 0 ? Kind.Get : Kind.Post)));
            Assert.All(answers, answer => Assert.True(answer.Status == 200, $"{answer}"));
        });
        Assert.Equal(SandboxState.Running, visitor.State);
        await visitor.CheckAsync();
    }

    [Fact]
    public async Task What_arrives_during_the_pause_of_one_that_sleeps_on_is_told_so()
    {
        await using var visitor = await VisitorAsync(autoResume: false);
        await visitor.FillAsync();
        await DuringPauseAsync(visitor, async () =>
        {
            foreach (var answer in await Task.WhenAll(new[] { Kind.Get, Kind.Post, Kind.Stat, Kind.Start, Kind.Download, Kind.Upload, Kind.Health }.Select(visitor.AskAsync)))
                Assert.Equal((502, visitor.NotFound), (answer.Status, answer.Text));
            var exec = await visitor.AskAsync(Kind.Exec);
            Assert.True(exec.Status == 412 && exec.Text.Contains("mitos resume", StringComparison.Ordinal), $"{exec}");
        });
        Assert.Equal(SandboxState.Paused, visitor.State);
        await DuringPauseAsync(visitor, async () => Assert.Equal(201, (await visitor.AskAsync(Kind.Resume)).Status));
        await DuringPauseAsync(visitor, async () => Assert.Equal(201, (await visitor.AskAsync(Kind.Connect)).Status));
        await visitor.CheckAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task At_whatever_instant_of_a_pause_a_request_comes_it_is_answered(bool autoResume)
    {
        var seed = Environment.GetEnvironmentVariable("MITOS_TRANSITION_SEED") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : Random.Shared.Next();
        var random = new Random(seed);
        await using var visitor = await VisitorAsync(autoResume);
        var said = new List<string>();
        for (var round = 0; round < Rounds; round++)
        {
            // By its owner, or by itself: then requests come about the end of its time.
            var byItself = random.Next(2) == 0;
            if (byItself)
                await server.Http.PostJsonAsync($"sandboxes/{visitor.Id}/timeout", """{"timeout":1}""").DoneAsync();
            var pausing = byItself ? Task.Delay(1200) : visitor.PauseAsync();
            var begun = byItself ? 850 : 0;
            var asked = Enumerable.Range(0, 14).Select(_ => (Kind: (Kind)random.Next(Enum.GetValues<Kind>().Length), AfterMs: begun + random.Next(350))).ToList();
            var answers = await Task.WhenAll(asked.Select(async one =>
            {
                await Task.Delay(one.AfterMs);
                return await visitor.AskAsync(one.Kind);
            }));
            await pausing;
            foreach (var (one, answer) in asked.Zip(answers))
            {
                said.Add($"{one.Kind} {answer.Status}");
                Assert.True(visitor.MaySay(one.Kind, answer), $"MITOS_TRANSITION_SEED={seed}, round {round}: {one} {answer}");
            }
            await server.Http.PostJsonAsync($"sandboxes/{visitor.Id}/connect", """{"timeout":600}""").ReadAsync();
            await visitor.CheckAsync();
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}: {string.Join(", ", said.CountBy(one => one).OrderBy(pair => pair.Key).Select(pair => $"{pair.Value} x {pair.Key}"))}");
    }

    private async Task<Visitor> VisitorAsync(bool autoResume)
    {
        await server.EnsureBaseAsync();
        return await Visitor.MakeAsync(server, autoResume, Port);
    }

    private async Task DuringPauseAsync(Visitor visitor, Func<Task> act)
    {
        if (visitor.State == SandboxState.Paused)
            await server.Client.ResumeAsync(visitor.Id);
        var before = Directory.EnumerateDirectories(Snapshots).ToHashSet();
        var pausing = visitor.PauseAsync();
        for (var until = DateTime.UtcNow + ServerFixture.Limit; !Directory.EnumerateDirectories(Snapshots).Except(before).Any(); await Task.Delay(1))
            Assert.True(DateTime.UtcNow < until && !pausing.IsCompleted, "the pause is not seen to begin");
        var acting = act();
        Assert.False(pausing.IsCompleted, "the pause was over before anything was asked");
        await acting;
        await pausing;
    }

    private string Snapshots => Path.Combine(server.Options.StateDirectory, "snapshots");
}
