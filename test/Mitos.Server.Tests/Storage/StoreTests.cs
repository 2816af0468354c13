using Microsoft.EntityFrameworkCore;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Accounts;
using Mitos.Server.Lifecycles;
using Mitos.Server.Storage;
using Mitos.TestKit;

namespace Mitos.Server.Tests.Storage;

/// <summary>The same on both databases.</summary>
public sealed class StoreTests(PostgresServer postgres)
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task What_was_written_is_there_when_it_is_opened_again(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        Team team;
        string secret;
        var lease = Lease.For(SandboxId.New(), "base", 1000, 2000) with { AutoPause = true, AutoPauseMemory = false, AllowInternet = false, Network = """{"denyOut":[]}""", TrafficToken = "t" };
        using (var state = scratch.Open())
        {
            team = await state.Teams.CreateAsync(new Team { Id = Guid.NewGuid().ToString(), Name = "red", CreatedAtMs = 1, ConcurrentSandboxes = 7 });
            (_, secret) = await state.Keys.CreateAsync(team.Id, "ci");
            await state.Leases.AddAsync([lease with { TeamId = team.Id }]);
            await Assert.ThrowsAsync<SandboxException>(() => state.Teams.CreateAsync(team with { Id = "other" }));
        }
        using var again = scratch.Open();
        Assert.Equal(team, again.Teams.Find("red"));
        Assert.Equal((team.Id, "ci"), (again.Keys.Find(secret)!.TeamId, again.Keys.Find(secret)!.Name));
        Assert.Equal(again.Keys.Find(secret), again.Keys.Find("mitos_" + secret[4..]));
        Assert.Equal(lease with { TeamId = team.Id }, again.Leases.Find(lease.Id));
        Assert.Equal(2, again.Keys.List(null).Count);
        Assert.Single(again.Keys.List(team.Id));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_life_leaves_each_event_once_however_often_it_is_looked_at(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var id = SandboxId.New();
        SandboxInfo? info = Sandbox(id);
        await state.Leases.AddAsync([Lease.For(id, "base", 1000, 6000)]);
        await SettleAsync(mine: false); // the reaper looks while it is made
        Assert.Equal(LeaseState.Pending, state.Leases.Find(id.ToString())!.State);
        await SettleAsync(mine: true);
        var begun = state.Leases.Find(id.ToString())!;
        Assert.Equal((LeaseState.Running, Noon.ToUnixTimeMilliseconds(), Noon.AddSeconds(5).ToUnixTimeMilliseconds()), (begun.State, begun.StartedAtMs, begun.EndAtMs));
        await state.Leases.ChangeAsync(id.ToString(), old => old with { EndAtMs = old.EndAtMs + 1 }, EventTypes.Updated);
        await state.Leases.ChangeAsync(id.ToString(), old => old, EventTypes.Updated);
        info = info with { State = SandboxState.Paused };
        await SettleAsync(mine: true);
        await SettleAsync(mine: false);
        info = info with { State = SandboxState.Running };
        await SettleAsync(mine: false);
        Assert.NotEqual(begun.ExecutionId, state.Leases.Find(id.ToString())!.ExecutionId);
        info = info with { State = SandboxState.Stopped };
        await SettleAsync(mine: false);
        info = null;
        await SettleAsync(mine: true);
        await SettleAsync(mine: false);
        Assert.Null(state.Leases.Find(id.ToString()));
        Assert.Equal(["created", "updated", "paused", "resumed", "killed"], await EventsAsync(state, id));

        Task SettleAsync(bool mine) => state.Leases.SettleAsync([id.ToString()], _ => info, mine);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_fork_is_one_event_of_its_source_and_one_of_each_child_that_lives(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var team = await state.Teams.CreateAsync(new Team { Id = Guid.NewGuid().ToString(), Name = "red", CreatedAtMs = 1 });
        var source = SandboxId.New();
        var children = Enumerable.Range(0, 3).Select(_ => SandboxId.New()).ToList();
        var lease = Lease.For(source, "base", 0) with { TeamId = team.Id };
        await state.Leases.AddAsync([lease]);
        await state.Leases.SettleAsync([source.ToString()], _ => Sandbox(source), mine: true);
        await state.Leases.AddAsync(children.Select(child => lease.Child(child, 0)).ToList());
        await state.Leases.SettleAsync(children.Select(child => child.ToString()).ToList(), id => id == children[1].ToString() ? null : Sandbox(SandboxId.Parse(id)) with
        {
            ForkedFrom = source,
            ForkId = "f1",
            ForkIndex = children.FindIndex(child => child.ToString() == id),
        }, mine: true);
        Assert.Equal(["created", "forked"], await EventsAsync(state, source));
        Assert.Equal(["created"], await EventsAsync(state, children[0]));
        Assert.Empty(await EventsAsync(state, children[1]));
        Assert.Null(state.Leases.Find(children[1].ToString()));
        Assert.Equal(team.Id, state.Leases.TeamOf(children[2].ToString()));
        var forked = await state.Database.UseAsync(context => context.Events.SingleAsync(row => row.Type == EventTypes.Forked));
        Assert.Contains(children[0].ToString(), forked.Data, StringComparison.Ordinal);
        Assert.DoesNotContain(children[1].ToString(), forked.Data, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task Fifty_at_once_get_no_more_places_than_there_are(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var team = await state.Teams.CreateAsync(new Team { Id = Guid.NewGuid().ToString(), Name = "small", CreatedAtMs = 1, ConcurrentSandboxes = 5 });
        var taken = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(async () =>
        {
            try
            {
                await state.Leases.AddAsync([Lease.For(SandboxId.New(), "base", 0) with { TeamId = team.Id }]);
                return true;
            }
            catch (TeamLimitException e)
            {
                Assert.Equal(TimeSpan.FromSeconds(30), e.RetryAfter); // none of them has an end
                return false;
            }
        })));
        Assert.Equal(5, taken.Count(one => one));
        Assert.Equal(5, state.Leases.All.Count);
        var gone = state.Leases.All.First().Id;
        await state.Leases.SettleAsync([gone], _ => null, mine: true); // it was not made after all
        await state.Leases.AddAsync([Lease.For(SandboxId.New(), "base", 0) with { TeamId = team.Id }]);
        await Assert.ThrowsAsync<TeamLimitException>(() => state.Leases.AddAsync([Lease.For(SandboxId.New(), "base", 0) with { TeamId = team.Id }]));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_resumed_sandbox_needs_a_place(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var team = await state.Teams.CreateAsync(new Team { Id = Guid.NewGuid().ToString(), Name = "one", CreatedAtMs = 1, ConcurrentSandboxes = 1 });
        var paused = SandboxId.New();
        var lease = Lease.For(paused, "base", 0) with { TeamId = team.Id };
        await state.Leases.AddAsync([lease]);
        await state.Leases.SettleAsync([lease.Id], _ => Sandbox(paused) with { State = SandboxState.Paused }, mine: true);
        using (await state.Leases.TakePlaceAsync(lease))
            await Assert.ThrowsAsync<TeamLimitException>(() => state.Leases.AddAsync([lease.Child(SandboxId.New(), 0)]));
        await state.Leases.AddAsync([lease.Child(SandboxId.New(), 0)]);
        await Assert.ThrowsAsync<TeamLimitException>(() => state.Leases.TakePlaceAsync(lease));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task One_that_is_resumed_while_it_is_being_paused_keeps_its_place(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var team = await state.Teams.CreateAsync(new Team { Id = Guid.NewGuid().ToString(), Name = "one", CreatedAtMs = 1, ConcurrentSandboxes = 1 });
        var id = SandboxId.New();
        var lease = Lease.For(id, "base", 0) with { TeamId = team.Id };
        await state.Leases.AddAsync([lease]);
        await state.Leases.SettleAsync([lease.Id], _ => Sandbox(id), mine: true);
        using (await state.Leases.TakePlaceAsync(lease))
        {
            await state.Leases.SettleAsync([lease.Id], _ => Sandbox(id) with { State = SandboxState.Paused }, mine: true);
            (await state.Leases.TakePlaceAsync(lease)).Dispose(); // of another who resumes it
            await Assert.ThrowsAsync<TeamLimitException>(() => state.Leases.AddAsync([lease.Child(SandboxId.New(), 0)]));
        }
        await state.Leases.AddAsync([lease.Child(SandboxId.New(), 0)]);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task Whoever_moves_an_end_that_has_begun_is_told_what_came_of_it(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var lease = Lease.For(SandboxId.New(), "base", 0, 1000);
        await state.Leases.AddAsync([lease]);
        Task<Lease?> later, change;
        using (var ending = await state.Leases.BeginEndAsync(lease.Id))
        {
            Assert.Equal(lease, ending!.Lease);
            Assert.Null(await state.Leases.BeginEndAsync(lease.Id));
            later = MoveAsync();
        }
        Assert.Equal(Lease.Never, (await later)!.EndAtMs); // it could not be ended
        Assert.Null(await state.Leases.BeginEndAsync(lease.Id)); // it has been moved
        await state.Leases.ChangeAsync(lease.Id, _ => lease);
        using (await state.Leases.BeginEndAsync(lease.Id))
        {
            change = MoveAsync();
            await state.Leases.SettleAsync([lease.Id], _ => null, mine: true);
        }
        Assert.Null(await change);

        Task<Lease?> MoveAsync() => state.Leases.ChangeAsync(lease.Id, old => old with { EndAtMs = Lease.Never });
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task An_end_does_not_begin_while_somebody_is_about_to_move_it(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var (lease, other) = (Lease.For(SandboxId.New(), "base", 0, 1000), Lease.For(SandboxId.New(), "base", 0));
        await state.Leases.AddAsync([lease, other]);
        using (await state.Leases.TakePlaceAsync(lease)) // for a connect
            Assert.Null(await state.Leases.BeginEndAsync(lease.Id));
        using var writing = new ManualResetEventSlim();
        var before = Task.Run(() => state.Leases.ChangeAsync(other.Id, known =>
        {
            writing.Wait();
            return known;
        }));
        while (state.Leases.ChangeAsync(other.Id, known => known) is { IsCompleted: true } quick)
            await quick; // until they queue
        var end = state.Leases.BeginEndAsync(lease.Id);
        var change = state.Leases.ChangeAsync(lease.Id, old => old with { EndAtMs = Lease.Never }); // its turn comes after the end's
        writing.Set();
        Assert.Null(await end);
        Assert.Equal(Lease.Never, (await change)!.EndAtMs);
        await before;
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_snapshot_knows_what_was_agreed_about_its_sandbox(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        var source = SandboxId.New();
        var lease = Lease.For(source, "base", 0) with { AutoPause = true, AutoPauseMemory = false, AutoResume = true, AllowInternet = false, Network = """{"allowPublicTraffic":false}""", TrafficToken = "t" };
        var snapshot = new SnapshotInfo("snap", null, source, "base", Noon, 1, 256, 1024, 0, 0);
        using (var state = scratch.Open())
        {
            await state.Leases.AddAsync([lease]);
            await state.Owners.SettleAsync(() => [snapshot]);
            await state.Leases.SettleAsync([lease.Id], _ => null, mine: true);
        }
        using var again = scratch.Open();
        var known = again.Owners.SourceOf(snapshot);
        Assert.NotNull(known.TrafficToken);
        Assert.NotEqual("t", known.TrafficToken);
        Assert.Equal(lease with { Template = "snap", TrafficToken = known.TrafficToken }, known);
    }

    [Theory]
    [InlineData("sqlite", "Accounts")]
    [InlineData("postgres", "Initial")]
    public async Task The_snapshots_of_before_have_what_their_sandboxes_have(string provider, string before)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        await using (MitosDatabase first = scratch.Connection is { } connection ? new PostgresDatabase(PostgresDatabase.At(connection)) : new SqliteDatabase(SqliteDatabase.At(Path.Combine(scratch.Directory, "mitos.db"))))
        {
            await first.Database.MigrateAsync(before, ServerFixture.Soon);
            await first.Database.ExecuteSqlRawAsync("""
                INSERT INTO leases ("Id", "TeamId", "State", "ExecutionId", "Template", "StartedAtMs", "EndAtMs", "AutoPause", "AutoPauseMemory", "AutoResume", "TrafficToken", "AllowInternet", "Network")
                    VALUES ('i00000000000000000000', 'red', 1, '', 'base', 1, 2, true, false, true, 't', false, '[]');
                INSERT INTO snapshots ("Id", "TeamId", "SandboxId") VALUES ('kept', 'red', 'i00000000000000000000'), ('gone', 'red', 'i00000000000000000001')
                """, ServerFixture.Soon);
        }
        using var state = scratch.Open();
        Assert.Equal((true, false, true, true, false, "[]"), Terms("kept", "i00000000000000000000"));
        Assert.Equal((false, true, false, false, null, null), Terms("gone", "i00000000000000000001"));

        (bool, bool, bool, bool, bool?, string?) Terms(string id, string source)
        {
            var lease = state.Owners.SourceOf(new SnapshotInfo(id, null, SandboxId.Parse(source), "base", Noon, 1, 256, 1024, 0, 0));
            return (lease.AutoPause, lease.AutoPauseMemory, lease.AutoResume, lease.TrafficToken is not null, lease.AllowInternet, lease.Network);
        }
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task Old_events_and_those_beyond_the_bound_go(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using var state = scratch.Open();
        var lease = Lease.For(SandboxId.New(), "base", 0);
        await state.Database.UseAsync(async context =>
        {
            for (var i = 0; i < 10; i++)
                context.Events.Add(LifecycleEvent.Of(EventTypes.Updated, lease, null, i < 3 ? Noon - Housekeeping.EventsFor - TimeSpan.FromSeconds(1) : Noon.AddSeconds(i)));
            return await context.SaveChangesAsync();
        });
        Assert.Equal(3, await Housekeeping.RunOnceAsync(state.Database, Noon, 100));
        Assert.Equal(2, await Housekeeping.RunOnceAsync(state.Database, Noon, 5));
        Assert.Equal(0, await Housekeeping.RunOnceAsync(state.Database, Noon, 5));
        Assert.Equal(5, await state.Database.UseAsync(context => context.Events.CountAsync()));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("postgres")]
    public async Task A_database_of_a_newer_version_is_refused_and_left_alone(string provider)
    {
        using var scratch = await Scratch.MakeAsync(provider, postgres);
        using (var state = scratch.Open())
            await state.Database.UseAsync(context => context.Database.ExecuteSqlRawAsync("""INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('29990101000000_Later', '99')"""));
        var refusal = Assert.Throws<SandboxException>(() => scratch.Open().Dispose());
        Assert.Equal(ErrorCode.FailedPrecondition, refusal.Code);
        Assert.Contains("29990101000000_Later", refusal.Message, StringComparison.Ordinal);
        Assert.NotEmpty(refusal.Remedy);
    }

    [Fact]
    public async Task The_leases_of_the_first_version_are_kept_and_belong_to_the_default_team()
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        await using (var first = new SqliteDatabase(SqliteDatabase.At(Path.Combine(scratch.Directory, "mitos.db"))))
        {
            await first.Database.MigrateAsync("Leases", ServerFixture.Soon);
            await first.Database.ExecuteSqlRawAsync("""INSERT INTO leases ("Id", "Template", "StartedAtMs", "EndAtMs", "AutoPause", "AutoPauseMemory", "AutoResume") VALUES ('iold', 'base', 1, 2, 1, 1, 0)""", ServerFixture.Soon);
        }
        using var state = scratch.Open();
        Assert.Equal((Team.DefaultId, LeaseState.Pending, 2L, true), (state.Leases.TeamOf("iold"), state.Leases.Find("iold")!.State, state.Leases.Find("iold")!.EndAtMs, state.Leases.Find("iold")!.AutoPause));
    }

    [Fact]
    public async Task A_database_that_was_restarted_meanwhile_is_used_as_if_nothing_had_been()
    {
        using var scratch = await Scratch.MakeAsync("postgres", postgres);
        using var state = scratch.Open();
        var lease = Lease.For(SandboxId.New(), "base", 0, 1);
        await state.Leases.AddAsync([lease]);
        await postgres.StopAsync();
        await postgres.StartAsync();
        await state.Leases.ChangeAsync(lease.Id, old => old with { EndAtMs = 2 }, EventTypes.Updated);
        Assert.Equal(["updated"], await EventsAsync(state, SandboxId.Parse(lease.Id)));
    }

    [Theory]
    [InlineData("Host=/nowhere-at-all;Username=u;Password=secret", ErrorCode.Unavailable)]
    [InlineData("Nonsense=1;Password=secret", ErrorCode.InvalidArgument)]
    [InlineData("Username=u;Password=secret", ErrorCode.InvalidArgument)]
    public async Task A_database_that_cannot_be_reached_at_the_start_is_named_without_its_password(string connection, ErrorCode code)
    {
        using var scratch = await Scratch.MakeAsync("sqlite", postgres);
        var refusal = Assert.Throws<SandboxException>(() => ServerState.Open(scratch.Directory, connection).Dispose());
        Assert.Equal(code, refusal.Code);
        Assert.Contains("PostgreSQL", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refusal.Message + refusal.Remedy, StringComparison.Ordinal);
        Assert.NotEmpty(refusal.Remedy);
    }

    private static async Task<List<string>> EventsAsync(ServerState state, SandboxId id) => await state.Database.UseAsync(context =>
        context.Events.Where(row => row.SandboxId == id.ToString()).OrderBy(row => row.Sequence).Select(row => row.Type.Replace("sandbox.lifecycle.", "")).ToListAsync());

    private static SandboxInfo Sandbox(SandboxId id) => new()
    {
        Id = id,
        State = SandboxState.Running,
        Template = "base",
        Generation = "g",
        GenerationBytes = 0,
        CpuCount = 1,
        MemoryMiB = 256,
        DiskMiB = 1024,
        CreatedAt = Noon,
        Lineage = [],
        Environment = new Dictionary<string, string>(),
        Metadata = new Dictionary<string, string> { ["a"] = "b" },
        AccessToken = "",
        DiskLayers = 0,
    };
}
