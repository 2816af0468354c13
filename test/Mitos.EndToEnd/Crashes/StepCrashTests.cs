using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>
/// At each step: directly before and after every change that outlives the daemon (a file that is made, replaced or removed, a directory, a cgroup, what is forced to the disk). Of each deed some of
/// its steps are taken; <c>MITOS_CRASH_STEPS</c> is how many, <c>all</c> takes all of them. <c>MITOS_CRASH_DEED</c> is the only deed, <c>MITOS_CRASH_SEED</c> repeats a run.
/// </summary>
public sealed class StepCrashTests(Daemon daemon) : StateCrashes(daemon), IClassFixture<Daemon>
{
    private const int Some = 2;
    private readonly Daemon _daemon = daemon;

    [Fact]
    public async Task At_each_step_of_a_pause_resume_snapshot_or_fork()
    {
        var seed = Number("MITOS_CRASH_SEED") ?? Random.Shared.Next();
        var random = new Random(seed);
        var most = Environment.GetEnvironmentVariable("MITOS_CRASH_STEPS") switch { null or "" => Some, "all" => int.MaxValue, var number => int.Parse(number, System.Globalization.CultureInfo.InvariantCulture) };
        var only = Environment.GetEnvironmentVariable("MITOS_CRASH_DEED");
        using var steps = new Steps(_daemon);
        await _daemon.KillAsync();
        await steps.StartAsync();
        var subject = await MakeSubjectAsync(0, seed);
        foreach (var (deed, paused) in new[] { (Deed.Pause, false), (Deed.Resume, true), (Deed.Snapshot, false), (Deed.Fork, false) }.Where(one => only is null or "" || only == one.Item1.ToString()))
        {
            var all = await CountAsync(steps, subject, deed, paused);
            foreach (var step in Enumerable.Range(1, all.Count).OrderBy(_ => random.Next()).Take(most).Order())
            {
                var attempt = await PrepareAsync(subject, deed, paused);
                try
                {
                    steps.DieAt(step);
                    await CrashAsync([attempt], () => Procfs.WaitEndAsync(_daemon.Pid), steps.StartAsync);
                    await CheckAsync([subject], [attempt]);
                }
                catch (Exception e)
                {
                    var log = File.ReadLines(Path.Combine(_daemon.StateDirectory, "mitosd.log")).TakeLast(30);
                    throw new Xunit.Sdk.XunitException($"MITOS_CRASH_SEED={seed}, {deed} at step {step} of {all.Count}, {all[step - 1]}; the daemons' last words:\n{string.Join('\n', log)}", e);
                }
            }
            TestContext.Current.TestOutputHelper?.WriteLine($"{deed}: {Math.Min(most, all.Count)} of {all.Count} steps{(most == Some ? "" : $"\n  {string.Join("\n  ", all)}")}");
        }
        await Client.RemoveAsync(subject.Id);
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}; cut of begun: {Counts}");
        Client.Dispose();
    }

    private async Task<IReadOnlyList<string>> CountAsync(Steps steps, Subject subject, Deed deed, bool paused)
    {
        var attempt = await PrepareAsync(subject, deed, paused);
        var all = (IReadOnlyList<string>)[];
        await CrashAsync([attempt], () =>
        {
            steps.Count();
            return Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
        }, () =>
        {
            all = steps.Log;
            return steps.StartAsync();
        });
        await CheckAsync([subject], [attempt]);
        return all;
    }
}
