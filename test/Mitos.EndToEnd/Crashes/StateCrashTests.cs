using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>At random instants. <c>MITOS_CRASHES</c> is the number of kills, <c>MITOS_CRASH_SEED</c> repeats a run.</summary>
public sealed class StateCrashTests(Daemon daemon) : StateCrashes(daemon), IClassFixture<Daemon>
{
    private const int Subjects = 3;
    private readonly Daemon _daemon = daemon;

    [Fact]
    public async Task At_any_instant_of_a_pause_resume_snapshot_or_fork()
    {
        var seed = Number("MITOS_CRASH_SEED") ?? Random.Shared.Next();
        var random = new Random(seed);
        var subjects = new List<Subject>();
        for (var i = 0; i < Subjects; i++)
            subjects.Add(await MakeSubjectAsync(i, seed));
        var crashes = Number("MITOS_CRASHES") ?? 8;
        for (var crash = 1; crash <= crashes; crash++)
        {
            var attempts = new List<Attempt>();
            var instant = new Instant(random, _daemon.StateDirectory);
            try
            {
                foreach (var subject in subjects.OrderBy(_ => random.Next()).Take(1 + random.Next(Subjects)))
                    attempts.Add(await ChooseAsync(subject, random));
                await CrashAsync(attempts, instant.WaitAsync);
                await CheckAsync(subjects, attempts);
            }
            catch (Exception e)
            {
                var log = File.ReadLines(Path.Combine(_daemon.StateDirectory, "mitosd.log")).TakeLast(30);
                throw new Xunit.Sdk.XunitException($"MITOS_CRASH_SEED={seed}, crash {crash} {instant} of {string.Join(", ", attempts)}; the daemons' last words:\n{string.Join('\n', log)}", e);
            }
            finally
            {
                instant.Dispose();
            }
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{crashes} kills, seed {seed}; cut of begun: {Counts}");
        foreach (var subject in subjects)
            await Client.RemoveAsync(subject.Id);
        Client.Dispose();
    }

    /// <summary>Something that may be done with a sandbox in its state, into which it is brought first.</summary>
    private async Task<Attempt> ChooseAsync(Subject subject, Random random)
    {
        var paused = random.Next(2) == 0;
        // a boot takes seconds, so it is rare
        Deed[] deeds = paused ? [Deed.Resume, Deed.Resume, Deed.Fork, Deed.Snapshot] : random.Next(4) == 0 ? [Deed.PauseFiles] : [Deed.Pause, Deed.Pause, Deed.Fork, Deed.Snapshot, Deed.SetTimeout];
        return await PrepareAsync(subject, deeds[random.Next(deeds.Length)], paused);
    }
}
