using System.Globalization;
using Mitos.Client;
using Mitos.Contracts;
using Mitos.EndToEnd.Hosting;

namespace Mitos.EndToEnd.Crashes;

/// <summary>
/// The daemon is killed amid pauses, resumes, snapshots, forks and changes of the life's end. Each sandbox is then in its old or its new state, there once, and
/// what it was; each half-made thing is gone.
/// </summary>
public abstract class StateCrashes(Daemon daemon)
{
    private const int Children = 2;
    private readonly Dictionary<string, (int Begun, int Cut)> _counts = [];
    private int _named;

    private protected MitosClient Client { get; private set; } = MitosClient.Local(daemon.Socket);

    /// <summary>How many were begun of each deed, and how many of these were cut.</summary>
    private protected string Counts => string.Join(", ", _counts.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key} {pair.Value.Cut} of {pair.Value.Begun}"));

    private protected enum Deed
    {
        Pause,
        PauseFiles,
        Resume,
        Snapshot,
        Fork,
        SetTimeout,
    }

    private protected static int? Number(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    /// <summary>Does it, and kills the daemon.</summary>
    /// <param name="attempts">What is done, at once.</param>
    /// <param name="reached">When it is killed, at the latest when all is answered; or when it has killed itself.</param>
    /// <param name="start">Starts the next one.</param>
    private protected async Task CrashAsync(List<Attempt> attempts, Func<Task> reached, Func<Task>? start = null)
    {
        using var process = System.Diagnostics.Process.GetProcessById(daemon.Pid);
        var instant = reached();
        foreach (var attempt in attempts)
            attempt.Answer = DoAsync(attempt);
        await Task.WhenAny(instant, Task.WhenAll(attempts.Select(attempt => attempt.Answer!)));
        if (attempts.FirstOrDefault(attempt => attempt.Answer!.IsFaulted) is { } refused)
        {
            var ended = Procfs.WaitEndAsync(daemon.Pid);
            if (await Task.WhenAny(ended, Task.Delay(TimeSpan.FromSeconds(2))) != ended)
                await refused.Answer!; // nothing has happened yet
        }
        process.Kill();
        await Procfs.WaitEndAsync(daemon.Pid);
        foreach (var attempt in attempts)
        {
            await ((Task)attempt.Answer!).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var what = attempt.What;
            var (begun, cut) = _counts.GetValueOrDefault(what);
            _counts[what] = (begun + 1, cut + (attempt.IsAnswered ? 0 : 1));
        }
        Client.Dispose();
        await (start ?? (() => daemon.StartAsync()))();
        Client = MitosClient.Local(daemon.Socket);
    }

    /// <summary>A sandbox that <see cref="CheckAsync"/> knows again.</summary>
    private protected async Task<Subject> MakeSubjectAsync(int index, int seed)
    {
        var asked = new CreateSandboxRequest
        {
            Name = $"subject-{index}",
            Metadata = new() { ["index"] = $"{index}", ["seed"] = $"{seed}" },
            Env = new() { ["INDEX"] = $"{index}" },
            TimeoutSeconds = 3600 + index,
            OnTimeout = "pause",
        };
        var subject = new Subject(await Client.CreateAsync(asked), $"value-{seed}-{index}");
        Assert.NotNull(subject.EndsAt);
        await subject.PlantAsync(Client);
        return subject;
    }

    /// <summary>Brings a sandbox into the state in which it is to be done.</summary>
    private protected async Task<Attempt> PrepareAsync(Subject subject, Deed deed, bool paused)
    {
        if (paused)
            await Client.PauseAsync(subject.Id);
        return new Attempt(subject, deed, paused, $"kept-{++_named}");
    }

    private async Task<List<string>> DoAsync(Attempt attempt)
    {
        var id = attempt.Subject.Id;
        switch (attempt.Deed)
        {
            case Deed.Pause or Deed.PauseFiles:
                await Client.PauseAsync(id, memory: attempt.Deed == Deed.Pause);
                return [];
            case Deed.Resume:
                await Client.ResumeAsync(id);
                return [];
            case Deed.Snapshot:
                return [(await Client.CreateSnapshotAsync(id, attempt.Name)).Id];
            case Deed.SetTimeout:
                return [$"{(await Client.SetTimeoutAsync(id, attempt.Life)).EndsAt:O}"];
            default:
                return (await Client.ForkAsync(id, new ForkRequest { Count = Children })).Children.Select(child => child.Sandbox!.Id).ToList();
        }
    }

    private protected async Task CheckAsync(List<Subject> subjects, List<Attempt> attempts)
    {
        Assert.Empty(await daemon.Leftovers.OfRunningAsync());
        Assert.Empty(await new Ledger(daemon).DisagreementsAsync());
        var sandboxes = await Client.ListAsync();
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
                await Client.ResumeAsync(subject.Id);
            await subject.LookAsync(Client, subject.Id, booted: sandbox.FilesOnly == true);
            if (sandbox.FilesOnly == true)
                await subject.PlantAsync(Client);
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
                await attempt.Subject.LookAsync(Client, child.Id);
                await Client.RemoveAsync(child.Id);
            }
        }
        Assert.Empty(children);
        var snapshots = await Client.ListSnapshotsAsync();
        foreach (var attempt in attempts.Where(attempt => attempt.Deed == Deed.Snapshot))
        {
            var taken = snapshots.Where(snapshot => snapshot.Sandbox == attempt.Subject.Id && snapshot.Name == attempt.Name).ToList();
            Assert.InRange(taken.Count, attempt.IsAnswered ? 1 : 0, 1);
            snapshots.RemoveAll(taken.Contains);
            foreach (var snapshot in taken)
            {
                var restored = await Client.CreateAsync(new CreateSandboxRequest { Snapshot = snapshot.Id });
                await attempt.Subject.LookAsync(Client, restored.Id);
                await Client.RemoveAsync(restored.Id);
                await Client.RemoveSnapshotAsync(snapshot.Id);
            }
        }
        Assert.Empty(snapshots);
    }

    /// <param name="Subject">Whom it is done to.</param>
    /// <param name="Deed">What.</param>
    /// <param name="Paused">Whether it was paused before.</param>
    /// <param name="Name">Of a snapshot.</param>
    private protected sealed record Attempt(Subject Subject, Deed Deed, bool Paused, string Name)
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
