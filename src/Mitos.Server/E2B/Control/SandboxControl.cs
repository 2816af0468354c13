using System.Text.Json;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Server.Accounts;
using Mitos.Server.Lifecycles;

namespace Mitos.Server.E2B.Control;

/// <summary>What E2B's control plane does with sandboxes, on the engine's and with leases.</summary>
internal sealed class SandboxControl(ISandboxes sandboxes, ISnapshots snapshots, LeaseStore leases, LeasedSandboxes leased, LeaseKeeper keeper, SnapshotOwners owners, TeamStore teams, E2BOptions options, TimeProvider time)
{
    /// <summary>The sandbox and its lease. One that was made by our own API has a lease without an end; another team's is not there.</summary>
    /// <exception cref="E2BException">404.</exception>
    public (SandboxInfo Info, Lease Lease) Get(string id) => TryGet(id) ?? throw E2BException.NoSandbox(id);

    public (SandboxInfo Info, Lease Lease)? TryGet(string id) =>
        SandboxId.TryParse(ShortId(id), out var parsed) && sandboxes.TryGet(parsed) is { State: SandboxState.Running or SandboxState.Paused } info ? (info, LeaseOf(info)) : null;

    public Lease LeaseOf(SandboxInfo info) => leases.Find(info.Id.ToString()) ?? Lease.For(info.Id, info.Template, info.CreatedAt.ToUnixTimeMilliseconds());

    public async Task<SandboxBody> CreateAsync(NewSandbox request, int defaultTimeout, CancellationToken cancellationToken)
    {
        var template = request.TemplateID is { Length: > 0 } named ? named : throw E2BException.Bad("templateID is required");
        if (request.AutoPauseMemory == false && request.AutoPause != true)
            throw E2BException.Bad("autoPauseMemory can only be false when autoPause is true");
        if (request.AutoPauseMemory == false && request.AutoResume?.Enabled == true)
            throw E2BException.Bad("autoResume cannot be enabled when autoPauseMemory is false");
        // What a sandbox would not have is refused: one without it is not what was asked for.
        if (request.Iam?.Tokens is { Count: > 0 })
            throw E2BException.Bad("iam.tokens is not supported: sandboxes here have no workload identity. Leave iam out");
        if (request.VolumeMounts is { Count: > 0 })
            throw E2BException.Bad("volumeMounts is not supported: there are no volumes here. Leave volumeMounts out, or put the files into a template");
        NetworkRules.Check(request.Network);
        var (name, snapshot) = Resolve(template);
        var id = SandboxId.New();
        var end = Now() + (Timeout(request.Timeout, defaultTimeout) * 1000L);
        var lease = snapshot is null ? Lease.For(id, name, Now(), end) : owners.SourceOf(snapshot).Child(id, Now(), end) with { TeamId = Caller.Team };
        lease = lease with
        {
            AutoPause = request.AutoPause ?? lease.AutoPause,
            AutoPauseMemory = request.AutoPauseMemory ?? (request.AutoResume?.Enabled == true || lease.AutoPauseMemory),
            AutoResume = request.AutoResume?.Enabled ?? (request.AutoPauseMemory != false && lease.AutoResume),
            AllowInternet = request.AllowInternetAccess ?? lease.AllowInternet,
            Network = request.Network is { ValueKind: JsonValueKind.Object } network ? NetworkRules.Inherit(lease.Network, network) : lease.Network,
            TrafficToken = NetworkRules.IsPublic(request.Network, otherwise: lease.TrafficToken is null) ? null : lease.TrafficToken ?? Lease.NewToken(),
        };
        await leases.AddAsync([lease]);
        try
        {
            var info = await sandboxes.CreateAsync(new CreateSandboxSpec
            {
                Id = id,
                Template = name,
                Snapshot = snapshot?.Id,
                Environment = request.EnvVars ?? [],
                Metadata = request.Metadata ?? [],
            }, cancellationToken);
            if (cancellationToken.IsCancellationRequested)
            {
                await sandboxes.RemoveAsync(id, CancellationToken.None); // nobody will ever know its id
                cancellationToken.ThrowIfCancellationRequested();
            }
            return Describe(info, LeaseOf(info));
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw new E2BException(404, $"template '{template}' not found. {e.Remedy}");
        }
    }

    public async Task<List<ForkResultBody>> ForkAsync(string id, ForkRequest request, int defaultTimeout)
    {
        var count = request.Count ?? 1;
        if (count < 1)
            throw E2BException.Bad("Count must be at least 1");
        if (count > ForkSpec.MaxCount)
            throw E2BException.Bad($"Count cannot be greater than {ForkSpec.MaxCount}");
        var timeout = Timeout(request.Timeout, defaultTimeout);
        var snapshot = SandboxId.TryParse(ShortId(id), out var sandbox) && sandboxes.TryGet(sandbox) is not null ? null : snapshots.TryFind(TemplateName(id));
        var source = snapshot is null ? Get(id).Info : null;
        var concurrent = teams.Get(snapshot is null ? LeaseOf(source!).TeamId : owners.TeamOf(snapshot)).ConcurrentSandboxes;
        if (count >= concurrent)
            throw E2BException.Bad($"Count must be lower than the maximum number of concurrent sandboxes ({concurrent})");
        var spec = new ForkSpec { Count = count };
        var terms = new LeaseTerms(TimeSpan.FromSeconds(timeout), Pause: null);
        var result = await (snapshot is null ? leased.ForkAsync(source!, spec, terms) : leased.ForkAsync(snapshot, spec, terms));
        return result.Children.Select(Describe).ToList();

        ForkResultBody Describe(ForkChild child)
        {
            if (child.Sandbox is { } made)
                return new ForkResultBody(this.Describe(made, LeaseOf(made)), null);
            var (status, message) = E2BErrors.Describe(child.Error!);
            return new ForkResultBody(null, new E2BError(status, message));
        }
    }

    /// <exception cref="E2BException">404.</exception>
    public async Task KillAsync(string id)
    {
        var (info, _) = Get(id);
        try
        {
            await sandboxes.RemoveAsync(info.Id, CancellationToken.None);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw E2BException.NoSandbox(id);
        }
    }

    /// <summary>Sets the end anew, later or sooner.</summary>
    public async Task SetTimeoutAsync(string id, int seconds)
    {
        var timeout = Timeout(seconds, seconds);
        await ChangeAsync(Get(id), lease => lease with { EndAtMs = Now() + (timeout * 1000L) });
    }

    /// <summary>Moves the end further away, never nearer; resumes one that is paused, without its memory if that is not wanted.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="seconds">How long it lives from now on; null: not said.</param>
    /// <param name="otherwise">What it is then, at most what its team may have.</param>
    /// <param name="memory">Whether one that is resumed gets its memory.</param>
    /// <param name="cancellationToken">Heeded until it has a machine.</param>
    /// <param name="autoPause">Whether it is paused at its end; null: as before.</param>
    /// <returns>The sandbox, and whether it was resumed.</returns>
    public async Task<(SandboxBody Body, bool Resumed)> ConnectAsync(string id, int? seconds, int otherwise, bool memory, CancellationToken cancellationToken, bool? autoPause = null)
    {
        var timeout = Timeout(seconds, otherwise);
        var seen = (await GetSettledAsync(id, cancellationToken)).Info;
        try
        {
            // What it was seen as may be over again: one that is being paused by now is resumed too.
            var (info, lease, resumed) = await leased.ResumeAsync(seen, old => old with
            {
                EndAtMs = seen.State == SandboxState.Paused ? Now() + (timeout * 1000L) : Math.Max(old.EndAtMs, Now() + (timeout * 1000L)),
                AutoPause = autoPause ?? old.AutoPause,
            }, EventTypes.Updated, memory, cancellationToken);
            return (Describe(info, lease), resumed);
        }
        catch (SandboxException e) when (e.Code == ErrorCode.NotFound)
        {
            throw E2BException.NoSandbox(id); // its end was nearer
        }
    }

    /// <exception cref="E2BException">404; 409: it is paused already.</exception>
    public async Task PauseAsync(string id, bool memory)
    {
        var (info, lease) = await GetSettledAsync(id, CancellationToken.None);
        if (info.State == SandboxState.Paused)
            throw new E2BException(409, $"Sandbox '{lease.Id}' is already paused");
        await snapshots.PauseAsync(info.Id, memory, CancellationToken.None);
    }

    /// <exception cref="E2BException">404; 409: it runs.</exception>
    public async Task<SandboxBody> ResumeAsync(string id, int? seconds, int otherwise, bool? autoPause, bool memory, CancellationToken cancellationToken)
    {
        var (info, lease) = await GetSettledAsync(id, cancellationToken);
        return info.State == SandboxState.Paused
            ? (await ConnectAsync(id, seconds, otherwise, memory, cancellationToken, autoPause)).Body
            : throw new E2BException(409, $"Sandbox '{lease.Id}' is already running");
    }

    public async Task<SnapshotBody> SnapshotAsync(string id, string? name, CancellationToken cancellationToken)
    {
        var taken = await snapshots.CreateAsync(Get(id).Info.Id, name, cancellationToken);
        return Describe(taken);
    }

    public static SnapshotBody Describe(SnapshotInfo snapshot) => new(snapshot.Id, snapshot.Name is { } name ? [name] : []);

    /// <summary>Moves the end further away, never nearer.</summary>
    public async Task ExtendAsync(string id, int seconds)
    {
        var timeout = Timeout(seconds, seconds);
        await ChangeAsync(Get(id), old => old with { EndAtMs = Math.Max(old.EndAtMs, Now() + (timeout * 1000L)) });
    }

    public async Task SetNetworkAsync(string id, JsonElement network)
    {
        if (network.ValueKind != JsonValueKind.Object)
            throw E2BException.Bad("the body must be an object");
        NetworkRules.Check(network);
        var internet = NetworkRules.AllowsInternet(network);
        await ChangeAsync(Get(id), lease => lease with { Network = NetworkRules.Update(lease.Network, network), AllowInternet = internet });
    }

    public SandboxBody Describe(SandboxInfo info, Lease lease) => new()
    {
        TemplateID = lease.Template,
        SandboxID = lease.Id,
        Alias = lease.Template,
        ClientID = E2BOptions.ClientId,
        EnvdVersion = E2BOptions.EnvdVersion,
        EnvdAccessToken = info.AccessToken,
        TrafficAccessToken = lease.TrafficToken,
        Domain = options.Domain,
    };

    public SandboxDetail Detail(SandboxInfo info, Lease lease, bool whole) => new()
    {
        TemplateID = lease.Template,
        Alias = lease.Template,
        SandboxID = lease.Id,
        ClientID = E2BOptions.ClientId,
        StartedAt = lease.StartedAt,
        EndAt = lease.EndAt,
        EnvdVersion = E2BOptions.EnvdVersion,
        EnvdAccessToken = whole ? info.AccessToken : null,
        Domain = whole ? options.Domain : null,
        AllowInternetAccess = whole ? lease.AllowInternet : null,
        CpuCount = info.CpuCount,
        MemoryMB = info.MemoryMiB,
        DiskSizeMB = info.DiskMiB,
        Metadata = info.Metadata,
        State = info.State == SandboxState.Paused ? "paused" : "running",
        Network = whole && lease.Network is { } network ? JsonSerializer.Deserialize(network, E2BJson.Default.JsonElement) : null,
        Lifecycle = whole ? new LifecycleBody(lease.AutoResume, lease.AutoPause ? "pause" : "kill") : null,
        ForkedFrom = info.ForkedFrom?.ToString(),
        ForkPoint = info.ForkId,
    };

    /// <summary>Without what clients of E2B's put behind it: the id of a client.</summary>
    public static string ShortId(string id) => id.IndexOf('-') is var dash and >= 0 ? id[..dash] : id;

    // As it is when a pause that is under way is over.
    private async Task<(SandboxInfo Info, Lease Lease)> GetSettledAsync(string id, CancellationToken cancellationToken)
    {
        await sandboxes.SettledAsync(Get(id).Info.Id, cancellationToken);
        return Get(id);
    }

    private async Task<Lease> ChangeAsync((SandboxInfo Info, Lease Lease) sandbox, Func<Lease, Lease> change)
    {
        if (leases.Find(sandbox.Lease.Id) is null)
            await keeper.SettleAsync(sandbox.Lease.Id); // it was made before there were leases
        return await leases.ChangeAsync(sandbox.Lease.Id, change, EventTypes.Updated) ?? throw E2BException.NoSandbox(sandbox.Lease.Id);
    }

    private int Timeout(int? asked, int otherwise)
    {
        var most = teams.Get(Caller.Team).MaxTimeoutSeconds;
        return (asked ?? Math.Min(otherwise, most)) switch
        {
            < 0 => throw E2BException.Bad("Timeout must not be negative"),
            var seconds when seconds > most => throw E2BException.Bad(most % 3600 == 0 ? $"Timeout cannot be greater than {most / 3600} hours" : $"Timeout cannot be greater than {most} seconds"),
            var seconds => seconds,
        };
    }

    /// <summary>Of <c>name:default</c> and <c>namespace/name</c>, as theirs may be written, the name.</summary>
    public static string TemplateName(string template)
    {
        var name = template[(template.LastIndexOf('/') + 1)..];
        return name.EndsWith(":default", StringComparison.Ordinal) ? name[..^":default".Length] : name;
    }

    /// <summary>What sandboxes of it have as their template: a snapshot's id, else the name without what may be written around it.</summary>
    public (string Id, SnapshotInfo? Snapshot) Resolve(string template)
    {
        var name = TemplateName(template);
        var snapshot = snapshots.TryFind(name);
        return (snapshot?.Id ?? name, snapshot);
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
