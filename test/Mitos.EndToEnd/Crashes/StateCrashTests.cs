using System.Globalization;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>
/// The daemon is killed at random instants of pauses, resumes, snapshots, forks and changes of the life's end. Each sandbox is then in its old or its new state, there once, and
/// what it was; each half-made thing is gone. <c>MITOS_CRASHES</c> is the number of kills, <c>MITOS_CRASH_SEED</c> repeats a run.
/// </summary>
public sealed class StateCrashTests(Daemon daemon) : IClassFixture<Daemon>
{
    private const int Subjects = 3, Children = 2;
    private readonly Dictionary<string, (int Begun, int Cut)> _counts = [];
    private MitosClient _client = MitosClient.Local(daemon.Socket);
    private int _named;

    private enum Deed
    {
        Pause,
        PauseFiles,
        Resume,
        Snapshot,
        Fork,
        SetTimeout,
    }

    [Fact]
    public async Task At_any_instant_of_a_pause_resume_snapshot_or_fork()
    {
        var seed = Number("MITOS_CRASH_SEED") ?? Random.Shared.Next();
        var random = new Random(seed);
        var subjects = new List<Subject>();
        for (var i = 0; i < Subjects; i++)
        {
            var asked = new CreateSandboxRequest
            {
                Name = $"subject-{i}",
                Metadata = new() { ["index"] = $"{i}", ["seed"] = $"{seed}" },
                Env = new() { ["INDEX"] = $"{i}" },
                TimeoutSeconds = 3600 + i,
                OnTimeout = "pause",
            };
            subjects.Add(new Subject(await _client.CreateAsync(asked), $"value-{random.Next()}"));
            Assert.NotNull(subjects[i].EndsAt);
            await subjects[i].PlantAsync(_client);
        }
        var crashes = Number("MITOS_CRASHES") ?? 8;
        for (var crash = 1; crash <= crashes; crash++)
        {
            var attempts = new List<Attempt>();
            var instant = new Instant(random, daemon.StateDirectory);
            try
            {
                foreach (var subject in subjects.OrderBy(_ => random.Next()).Take(1 + random.Next(Subjects)))
                    attempts.Add(await ChooseAsync(subject, random));
                await CrashAsync(attempts, instant);
                await CheckAsync(subjects, attempts);
            }
            catch (Exception e)
            {
                var log = File.ReadLines(Path.Combine(daemon.StateDirectory, "mitosd.log")).TakeLast(30);
                throw new Xunit.Sdk.XunitException($"MITOS_CRASH_SEED={seed}, crash {crash} {instant} of {string.Join(", ", attempts)}; the daemons' last words:\n{string.Join('\n', log)}", e);
            }
            finally
            {
                instant.Dispose();
            }
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{crashes} kills, seed {seed}; cut of begun: {string.Join(", ", _counts.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key} {pair.Value.Cut} of {pair.Value.Begun}"))}");
        foreach (var subject in subjects)
            await _client.RemoveAsync(subject.Id);
        _client.Dispose();
    }

    private static int? Number(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>Something that may be done with a sandbox in its state, into which it is brought first.</summary>
    private async Task<Attempt> ChooseAsync(Subject subject, Random random)
    {
        var paused = random.Next(2) == 0;
        if (paused)
            await _client.PauseAsync(subject.Id);
        // a boot takes seconds, so it is rare
        Deed[] deeds = paused ? [Deed.Resume, Deed.Resume, Deed.Fork, Deed.Snapshot] : random.Next(4) == 0 ? [Deed.PauseFiles] : [Deed.Pause, Deed.Pause, Deed.Fork, Deed.Snapshot, Deed.SetTimeout];
        return new Attempt(subject, deeds[random.Next(deeds.Length)], paused, $"kept-{++_named}");
    }

    private async Task CrashAsync(List<Attempt> attempts, Instant instant)
    {
        using var process = System.Diagnostics.Process.GetProcessById(daemon.Pid);
        var reached = instant.WaitAsync();
        foreach (var attempt in attempts)
            attempt.Answer = DoAsync(attempt);
        await Task.WhenAny(reached, Task.WhenAll(attempts.Select(attempt => attempt.Answer!)));
        foreach (var refused in attempts.Where(attempt => attempt.Answer!.IsFaulted))
            await refused.Answer!; // nothing has happened yet
        process.Kill();
        await Procfs.WaitEndAsync(daemon.Pid);
        foreach (var attempt in attempts)
        {
            await ((Task)attempt.Answer!).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var what = attempt.What;
            var (begun, cut) = _counts.GetValueOrDefault(what);
            _counts[what] = (begun + 1, cut + (attempt.IsAnswered ? 0 : 1));
        }
        _client.Dispose();
        await daemon.StartAsync();
        _client = MitosClient.Local(daemon.Socket);
    }

    private async Task<List<string>> DoAsync(Attempt attempt)
    {
        var id = attempt.Subject.Id;
        switch (attempt.Deed)
        {
            case Deed.Pause or Deed.PauseFiles:
                await _client.PauseAsync(id, memory: attempt.Deed == Deed.Pause);
                return [];
            case Deed.Resume:
                await _client.ResumeAsync(id);
                return [];
            case Deed.Snapshot:
                return [(await _client.CreateSnapshotAsync(id, attempt.Name)).Id];
            case Deed.SetTimeout:
                return [$"{(await _client.SetTimeoutAsync(id, attempt.Life)).EndsAt:O}"];
            default:
                return (await _client.ForkAsync(id, new ForkRequest { Count = Children })).Children.Select(child => child.Sandbox!.Id).ToList();
        }
    }

    private async Task CheckAsync(List<Subject> subjects, List<Attempt> attempts)
    {
        Assert.Empty(await daemon.Leftovers.OfRunningAsync());
        Assert.Empty(await new Ledger(daemon).DisagreementsAsync());
        var sandboxes = await _client.ListAsync();
        var children = sandboxes.Where(sandbox => subjects.All(subject => subject.Id != sandbox.Id)).ToList();
        foreach (var subject in subjects)
        {
            var sandbox = Assert.Single(sandboxes, sandbox => sandbox.Id == subject.Id);
            var attempt = attempts.SingleOrDefault(attempt => attempt.Subject == subject);
            Assert.Contains(sandbox.State, attempt?.States ?? ["running"]);
            if (attempt is { Deed: Deed.SetTimeout } && (attempt.IsAnswered || sandbox.EndsAt != subject.EndsAt))
            {
                Assert.InRange(sandbox.EndsAt!.Value, attempt.Begun + attempt.Life, DateTimeOffset.UtcNow + attempt.Life);
                Assert.True(!attempt.IsAnswered || (await attempt.Answer!).Single() == $"{sandbox.EndsAt:O}", "an end that was answered is another");
                subject.EndsAt = sandbox.EndsAt;
            }
            subject.Compare(sandbox);
            if (sandbox.State == "paused")
                await _client.ResumeAsync(subject.Id);
            await subject.LookAsync(_client, subject.Id, booted: sandbox.FilesOnly == true);
            if (sandbox.FilesOnly == true)
                await subject.PlantAsync(_client);
        }
        foreach (var attempt in attempts.Where(attempt => attempt.Deed == Deed.Fork))
        {
            var born = children.Where(child => child.ForkedFrom == attempt.Subject.Id).ToList();
            Assert.True(born.Count <= Children && born.Select(child => (child.ForkId, child.ForkIndex)).Distinct().Count() == born.Count && born.Select(child => child.ForkId).Distinct().Count() <= 1, "children are doubled");
            if (attempt.IsAnswered)
                Assert.Equal((await attempt.Answer!).Order(), born.Select(child => child.Id).Order());
            children.RemoveAll(born.Contains);
            foreach (var child in born)
            {
                Assert.Equal("running", child.State);
                attempt.Subject.CompareTerms(child);
                await attempt.Subject.LookAsync(_client, child.Id);
                await _client.RemoveAsync(child.Id);
            }
        }
        Assert.Empty(children);
        var snapshots = await _client.ListSnapshotsAsync();
        foreach (var attempt in attempts.Where(attempt => attempt.Deed == Deed.Snapshot))
        {
            var taken = snapshots.Where(snapshot => snapshot.Sandbox == attempt.Subject.Id && snapshot.Name == attempt.Name).ToList();
            Assert.InRange(taken.Count, attempt.IsAnswered ? 1 : 0, 1);
            snapshots.RemoveAll(taken.Contains);
            foreach (var snapshot in taken)
            {
                var restored = await _client.CreateAsync(new CreateSandboxRequest { Snapshot = snapshot.Id });
                await attempt.Subject.LookAsync(_client, restored.Id);
                await _client.RemoveAsync(restored.Id);
                await _client.RemoveSnapshotAsync(snapshot.Id);
            }
        }
        Assert.Empty(snapshots);
    }

    /// <param name="Subject">Whom it is done to.</param>
    /// <param name="Deed">What.</param>
    /// <param name="Paused">Whether it was paused before.</param>
    /// <param name="Name">Of a snapshot.</param>
    private sealed record Attempt(Subject Subject, Deed Deed, bool Paused, string Name)
    {
        /// <summary>The life that is asked for: of no two attempts the same.</summary>
        public TimeSpan Life => TimeSpan.FromHours(2 + int.Parse(Name.Split('-')[^1], CultureInfo.InvariantCulture));

        public DateTimeOffset Begun { get; } = DateTimeOffset.FromUnixTimeMilliseconds(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());

        /// <summary>Ids of what was made; the end that was set.</summary>
        public Task<List<string>>? Answer { get; set; }

        /// <summary>Whether the daemon said that it is done.</summary>
        public bool IsAnswered => Answer is { IsCompletedSuccessfully: true };

        public string What => $"{Deed}{(Paused && Deed is (Deed.Fork or Deed.Snapshot) ? " of a paused one" : "")}";

        /// <summary>What it may be now: what was answered holds.</summary>
        public string[] States
        {
            get
            {
                var old = Paused ? "paused" : "running";
                var now = Deed switch { Deed.Pause or Deed.PauseFiles => "paused", Deed.Resume => "running", _ => old };
                return IsAnswered ? [now] : [old, now];
            }
        }

        public override string ToString() => $"{What} of {Subject.Id}";
    }
}
