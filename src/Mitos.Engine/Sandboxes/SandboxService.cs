using System.Diagnostics;
using System.Security.Cryptography;
using Mitos.Engine.Agent;
using Mitos.Engine.Capacity;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Machines;
using Mitos.Engine.Observability;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Templates;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Sandboxes;

/// <summary>Creates, finds, measures and removes sandboxes. Forks are in <see cref="ForkService"/>.</summary>
internal sealed class SandboxService(
    SandboxStore store, SandboxLives lives, SnapshotService snapshots, TemplateService templates, TemplateRegistry registry, MachineHost host, ShellPool shells, Birth birth, ForkService forks, HostCapacity capacity) : ISandboxes
{
    private const long VmmBytes = 24L << 20, OverlayBytes = 1L << 20;

    public Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, CancellationToken cancellationToken) =>
        EngineMeter.TimeAsync(EngineMeter.Create, "sandbox create", null, span => MakeAsync(spec, span, cancellationToken));

    public async Task<ForkResult> ForkAsync(SandboxId source, ForkSpec spec, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(source);
        return await forks.ForkAsync(sandbox, spec, lives.Adopt, cancellationToken);
    }

    public Task<ForkResult> ForkSnapshotAsync(string snapshot, ForkSpec spec, CancellationToken cancellationToken) =>
        forks.ForkAsync(FindSnapshot(snapshot), spec, lives.Adopt, cancellationToken);

    public async Task<bool> RemoveAsync(SandboxId id, Func<SandboxInfo, bool> when, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(id);
        await sandbox.Gate.WaitAsync(cancellationToken);
        try
        {
            if (sandbox.Removing)
                throw SandboxException.NotFound("sandbox", id.ToString(), "It is being removed already.");
            if (!when(sandbox.Describe()))
                return false;
            sandbox.Removing = true;
            // The journal goes first: if we end here, the machine belongs to nobody, and the next start ends it.
            store.Remove(sandbox);
            await SandboxLives.EndAsync(sandbox, "was removed", "What ran in it is gone: create or fork another.");
            snapshots.DeleteOf(sandbox.Record);
            sandbox.Stopped.TrySetResult();
            return true;
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }

    public IReadOnlyList<SandboxInfo> List() => store.All.Select(sandbox => sandbox.Describe()).ToList();

    public SandboxInfo Find(string idOrName) => store.Find(idOrName).Describe();

    public SandboxInfo? TryGet(SandboxId id) => store.TryGet(id)?.Describe();

    public async Task<SandboxInfo?> SettledAsync(SandboxId id, CancellationToken cancellationToken)
    {
        while (store.TryGet(id)?.Pausing is { } pausing)
            await pausing.WaitAsync(cancellationToken);
        return TryGet(id);
    }

    public AgentClient Agent(SandboxId id) => store.Get(id).RunningAgent("reached");

    public MemoryUsage ReadMemory(SandboxId id)
    {
        var machine = store.Get(id).RunningMachine("measured");
        try
        {
            return MachineMemory.Read(machine);
        }
        catch (IOException e)
        {
            throw new SandboxException(ErrorCode.FailedPrecondition, $"The machine of sandbox '{id}' ended while it was measured.", $"`mitos inspect {id}` shows why.", e);
        }
    }

    public TimeSpan ReadCpuTime(SandboxId id) => store.Get(id).RunningMachine("measured").Vmm.Process.ReadCpuTime();

    public byte[] ReadConsole(SandboxId id, int maxBytes)
    {
        var bytes = store.Get(id).TakeConsole();
        return bytes[Math.Max(0, bytes.Length - maxBytes)..];
    }

    public Task WaitStoppedAsync(SandboxId id, CancellationToken cancellationToken) => store.Get(id).Stopped.Task.WaitAsync(cancellationToken);

    private async Task<SandboxInfo> MakeAsync(CreateSandboxSpec spec, Activity? span, CancellationToken cancellationToken)
    {
        SandboxRules.CheckName(spec.Name, "sandbox");
        SandboxRules.CheckMetadata(spec.Metadata);
        SandboxRules.CheckShape(spec.CpuCount, spec.MemoryMiB);
        var snapshot = spec.Snapshot is { } wanted ? FindSnapshot(wanted) : null;
        if (snapshot is not null && (spec.CpuCount ?? snapshot.Generation.Shape.CpuCount, spec.MemoryMiB ?? snapshot.Generation.Shape.MemoryMiB) != (snapshot.Generation.Shape.CpuCount, snapshot.Generation.Shape.MemoryMiB))
            throw SandboxException.Invalid($"What is made of a snapshot has its shape: {snapshot.Generation.Shape.CpuCount} cpu and {snapshot.Generation.Shape.MemoryMiB} MiB.", "Leave out cpuCount and memoryMiB.");
        var environment = NameValues.Merge(snapshot?.Source.Environment ?? registry.Get(spec.Template).Environment, spec.Environment);
        SandboxRules.CheckEnvironment(environment);
        using var reservation = capacity.Reserve(snapshot is null ? $"A sandbox of template '{spec.Template}'" : $"A sandbox of snapshot '{snapshot.Id}'", VmmBytes + (snapshot is null ? 0 : SnapshotService.MemoryOf(snapshot)), OverlayBytes);
        using var capture = snapshot is null ? await OpenTemplateAsync(spec, cancellationToken) : await snapshots.OpenForOneAsync(snapshot, cancellationToken);
        store.TakeName(spec.Scope, spec.Name);
        try
        {
            var id = spec.Id ?? SandboxId.New();
            var token = RandomNumberGenerator.GetHexString(48, lowercase: true);
            var begun = Stopwatch.GetTimestamp();
            var (machine, timings) = await birth.MakeAsync(capture, null, null, cancellationToken);
            var agent = MachineAgent.Open(machine, $"sandbox '{id}'");
            try
            {
                var (greeting, handshake) = await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity(id.ToString(), spec.Name, "", 0, token, environment));
                span?.SetTag("mitos.sandbox", id.ToString());
                EngineTrace.Birth(span, begun, timings with { Greeting = greeting, Handshake = handshake });
                var record = new SandboxRecord
                {
                    Id = id.ToString(),
                    Name = spec.Name,
                    Scope = spec.Scope,
                    State = SandboxState.Running,
                    Template = snapshot?.Source.Template ?? spec.Template,
                    CreatedAt = DateTimeOffset.UtcNow,
                    Lineage = snapshot is null ? [] : [.. snapshot.Source.Lineage, snapshot.Source.Id],
                    Environment = environment,
                    Metadata = snapshot is null ? spec.Metadata : NameValues.Merge(snapshot.Source.Metadata, spec.Metadata),
                    AccessToken = token,
                    Machine = SandboxStore.Describe(machine),
                };
                var made = lives.Adopt(record, machine, agent).Describe();
                if (snapshot is null)
                    registry.NoteSpawn(spec.Template, record.CreatedAt);
                return made;
            }
            catch
            {
                await agent.DisposeAsync();
                await machine.DisposeAsync();
                throw;
            }
            finally
            {
                shells.Refill(capture.Generation);
            }
        }
        catch (Exception e)
        {
            store.ReleaseName(spec.Scope, spec.Name);
            if (e is VmmException or IOException)
                throw new SandboxException(ErrorCode.Internal, $"A sandbox of template '{spec.Template}' could not be created: {e.Message}", "Try again; `mitos doctor` checks this host.", e);
            throw;
        }
    }

    private SnapshotRecord FindSnapshot(string idOrName) =>
        snapshots.Find(idOrName) ?? throw SandboxException.NotFound("snapshot", idOrName, "`mitos snapshot ls` lists the snapshots.");

    private async Task<Capture> OpenTemplateAsync(CreateSandboxSpec spec, CancellationToken cancellationToken)
    {
        using var generation = await templates.OpenAsync(spec.Template, spec.CpuCount, spec.MemoryMiB, cancellationToken);
        return Capture.Of(generation, host.Layers);
    }
}
