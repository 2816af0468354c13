using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Agent;
using Mitos.Engine.Capacity;
using Mitos.Engine.Errors;
using Mitos.Engine.Generations;
using Mitos.Engine.Machines;
using Mitos.Engine.Observability;
using Mitos.Engine.Sandboxes;
using Mitos.Engine.Snapshots;
using Mitos.Engine.Vmm;
using Mitos.Linux;

namespace Mitos.Engine.Forks;

/// <summary>Forks a sandbox, or a snapshot: one pause, one instant, N children; see docs/fork.md.</summary>
internal sealed class ForkService(
    SandboxStore store, GenerationStore generations, Capturer capturer, ShellPool shells, Birth birth, Flattener flattener, SnapshotService snapshots, HostCapacity capacity, ILogger logger)
{
    private const long VmmBytes = 22L << 20, OverlayBytes = 1L << 20;
    private static readonly TimeSpan EndLimit = TimeSpan.FromMilliseconds(500);

    /// <summary>Children that are made at a time: their work is the processor's, and waiting for guests leaves some of it free.</summary>
    private static readonly int ParallelBirths = Environment.ProcessorCount + 1;

    /// <param name="source">The sandbox.</param>
    /// <param name="spec">How many, and with what.</param>
    /// <param name="adopt">Takes a child into the books once it has acknowledged.</param>
    /// <param name="cancellationToken">Heeded until the pause; after it the fork is brought to its end.</param>
    public async Task<ForkResult> ForkAsync(Sandbox source, ForkSpec spec, Func<SandboxRecord, Machine, AgentClient, Sandbox> adopt, CancellationToken cancellationToken)
    {
        var result = await ObserveAsync(source.Record, spec, () => ForkAsync(source.Record, started => CaptureAsync(source, spec, started, cancellationToken), spec, adopt));
        flattener.Consider(source);
        return result;
    }

    /// <summary>Makes children of a snapshot, as of the sandbox that it was taken of at that time.</summary>
    /// <inheritdoc cref="ForkAsync(Sandbox, ForkSpec, Func{SandboxRecord, Machine, AgentClient, Sandbox}, CancellationToken)"/>
    public Task<ForkResult> ForkAsync(SnapshotRecord snapshot, ForkSpec spec, Func<SandboxRecord, Machine, AgentClient, Sandbox> adopt, CancellationToken cancellationToken) =>
        ObserveAsync(snapshot.Source, spec, () => ForkAsync(snapshot.Source, started => OpenAsync(snapshot, $"A fork of snapshot '{snapshot.Id}'", spec, started, cancellationToken), spec, adopt));

    private static async Task<ForkResult> ObserveAsync(SandboxRecord source, ForkSpec spec, Func<Task<ForkResult>> fork)
    {
        using var span = EngineTrace.Start("fork", source.Id);
        span?.SetTag("mitos.children", spec.Count);
        try
        {
            var result = await fork();
            span?.SetTag("mitos.fork", result.ForkId);
            EngineMeter.Forked(result);
            return result;
        }
        catch (Exception e)
        {
            EngineTrace.Fail(span, e);
            EngineMeter.NotForked(e);
            throw;
        }
    }

    private async Task<ForkResult> ForkAsync(SandboxRecord source, Func<long, Task<ForkPoint>> capture, ForkSpec spec, Func<SandboxRecord, Machine, AgentClient, Sandbox> adopt)
    {
        Check(source, spec);
        var started = Stopwatch.GetTimestamp();
        var names = TakeNames(source.Scope, spec);
        var kept = new HashSet<string>(); // the names of children that live
        try
        {
            var point = await capture(started);
            EngineTrace.Pause(Activity.Current, started, point.Timings);
            using (point.Reservation)
            using (point.Capture)
            {
                using var promoted = point.Promote ? await Task.Run(() => Promotion.Promote(point.Capture, generations), CancellationToken.None) : null;
                var children = await MakeChildrenAsync(source, spec, point, promoted, adopt, started, names);
                kept.UnionWith(children.Select(child => child.Sandbox?.Name).OfType<string>());
                shells.Refill(point.Capture.Generation);
                return new ForkResult
                {
                    ForkId = point.ForkId,
                    Source = SandboxId.Parse(source.Id),
                    Children = children,
                    Timings = point.Timings with { Total = Stopwatch.GetElapsedTime(started), WarmShells = children.Count(child => child.Timings is { Warm: true }) },
                };
            }
        }
        catch (IOException e) when (e is not LinuxException)
        {
            throw new SandboxException(ErrorCode.Exhausted, $"Sandbox '{source.Id}' could not be forked, and goes on: {e.Message}", "Free disk space in the state directory, and try again.", e);
        }
        catch (Exception e) when (e is VmmException or IOException)
        {
            throw new SandboxException(ErrorCode.Internal, $"Sandbox '{source.Id}' could not be forked: {e.Message}", "The source goes on if its machine lives (`mitos inspect`); try again.", e);
        }
        finally
        {
            foreach (var name in names.OfType<string>().Where(name => !kept.Contains(name)))
                store.ReleaseName(source.Scope, name);
        }
    }

    private async Task<ForkPoint> CaptureAsync(Sandbox source, ForkSpec spec, long started, CancellationToken cancellationToken)
    {
        await source.Gate.WaitAsync(cancellationToken);
        IDisposable? reservation = null;
        Machine? machine = null;
        try
        {
            if (source.Record.State == SandboxState.Paused)
                return await OpenAsync(snapshots.SnapshotOf(source, "forked"), $"A fork of sandbox '{source.Id}'", spec, started, cancellationToken);
            machine = source.RunningMachine("forked");
            flattener.Cancel(source, machine);
            var delta = Capturer.ReadPrivateBytes(machine);
            // Each child gets the delta, or, promoted, shares one image of it: the lesser of the two, and the capture itself.
            var image = machine.Generation!.Record.ImageBytes + delta;
            reservation = capacity.Reserve($"A fork of sandbox '{source.Id}' into {spec.Count}",
                (spec.Count * VmmBytes) + Math.Min(spec.Count * delta, image) + (delta * 5 / 4), spec.Count * OverlayBytes);
            cancellationToken.ThrowIfCancellationRequested();
            var (capture, pause) = await Task.Run(() => capturer.Take(machine, () => store.Write(source)), CancellationToken.None);
            var point = new ForkPoint(NewForkId(), capture, reservation, Promotion.Pays(capture, spec.Count), Timings(pause, capture, started));
            reservation = null;
            return point;
        }
        catch (Exception e) when (e is VmmException or IOException && machine is not null)
        {
            // a process that is killed lets go of its connections first
            await Task.WhenAny(machine.Vmm.Process.Exited, Task.Delay(EndLimit, CancellationToken.None));
            if (!machine.Vmm.Process.HasExited)
                throw;
            throw new SandboxException(ErrorCode.FailedPrecondition, $"Sandbox '{source.Id}' could not be forked: its machine ended meanwhile.", $"`mitos inspect {source.Id}` tells why; only a running sandbox can be forked.", e);
        }
        finally
        {
            reservation?.Dispose();
            source.Gate.Release();
        }
    }

    // The instant is on disk already. The caller holds the gate of a sandbox that is paused in it.
    private async Task<ForkPoint> OpenAsync(SnapshotRecord snapshot, string what, ForkSpec spec, long started, CancellationToken cancellationToken)
    {
        var capture = await snapshots.OpenAsync(snapshot, cancellationToken);
        try
        {
            var image = capture.Generation.Record.ImageBytes + capture.DeltaBytes;
            var reservation = capacity.Reserve($"{what} into {spec.Count}",
                (spec.Count * VmmBytes) + Math.Min(spec.Count * capture.DeltaBytes, image), spec.Count * OverlayBytes);
            var timings = new ForkTimings
            {
                Pause = default,
                Stop = default,
                FreezeDisk = default,
                DeviceState = default,
                List = default,
                Copy = default,
                Resume = default,
                DeltaBytes = capture.DeltaBytes,
                Prepare = Stopwatch.GetElapsedTime(started),
                Total = default,
                WarmShells = 0,
            };
            return new ForkPoint(NewForkId(), capture, reservation, Promotion.Pays(capture, spec.Count), timings);
        }
        catch
        {
            capture.Dispose();
            throw;
        }
    }

    private static string NewForkId() => RandomNumberGenerator.GetHexString(12, lowercase: true);

    private async Task<ForkChild[]> MakeChildrenAsync(
        SandboxRecord source, ForkSpec spec, ForkPoint point, Generation? promoted, Func<SandboxRecord, Machine, AgentClient, Sandbox> adopt, long started, IReadOnlyList<string?> names)
    {
        var children = new ForkChild[spec.Count];
        await Parallel.ForAsync(0, spec.Count, new ParallelOptions { MaxDegreeOfParallelism = ParallelBirths }, async (index, _) =>
        {
            try
            {
                var (sandbox, timings) = await MakeChildAsync(source, spec, point, promoted, adopt, index, names.ElementAtOrDefault(index));
                children[index] = new ForkChild { Index = index, Sandbox = sandbox.Describe(), Ready = Stopwatch.GetElapsedTime(started), Timings = timings };
            }
            catch (Exception e)
            {
                logger.LogWarning(e, "child {Index} of fork {Fork} of sandbox {Sandbox} failed", index, point.ForkId, source.Id);
                var error = e as SandboxException ?? new SandboxException(ErrorCode.Internal, $"Child {index} of sandbox '{source.Id}' could not be made: {e.Message}", "Fork again for another.", e);
                children[index] = new ForkChild { Index = index, Error = error, Ready = Stopwatch.GetElapsedTime(started) };
            }
        });
        return children;
    }

    private async Task<(Sandbox Sandbox, BirthTimings Timings)> MakeChildAsync(
        SandboxRecord source, ForkSpec spec, ForkPoint point, Generation? promoted, Func<SandboxRecord, Machine, AgentClient, Sandbox> adopt, int index, string? name)
    {
        var id = index < spec.Ids.Count ? spec.Ids[index] : SandboxId.New();
        using var span = EngineTrace.Start("fork child", id.ToString());
        var begun = Stopwatch.GetTimestamp();
        var (machine, timings) = await birth.MakeAsync(point.Capture, promoted, null, CancellationToken.None);
        var agent = MachineAgent.Open(machine, $"sandbox '{id}'");
        try
        {
            var token = RandomNumberGenerator.GetHexString(48, lowercase: true);
            var environment = NameValues.Merge(source.Environment, spec.Environment);
            var (greeting, handshake) = await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity(id.ToString(), name, point.ForkId, index, token, environment));
            var record = source with
            {
                Id = id.ToString(),
                Name = name,
                State = SandboxState.Running,
                Snapshot = null,
                FilesOnly = false,
                CreatedAt = DateTimeOffset.UtcNow,
                Lineage = [.. source.Lineage, source.Id],
                ForkId = point.ForkId,
                ForkIndex = index,
                Environment = environment,
                Metadata = NameValues.Merge(source.Metadata, spec.Metadata),
                AccessToken = token,
                Machine = SandboxStore.Describe(machine),
                StoppedAt = null,
                StopReason = null,
            };
            timings = timings with { Greeting = greeting, Handshake = handshake };
            EngineTrace.Birth(span, begun, timings);
            return (adopt(record, machine, agent), timings);
        }
        catch
        {
            await agent.DisposeAsync();
            await machine.DisposeAsync();
            throw;
        }
    }

    private List<string?> TakeNames(string scope, ForkSpec spec)
    {
        var taken = new List<string?>();
        try
        {
            foreach (var name in spec.Names.Take(spec.Count))
            {
                store.TakeName(scope, name);
                taken.Add(name);
            }
            return taken;
        }
        catch
        {
            taken.ForEach(name => store.ReleaseName(scope, name));
            throw;
        }
    }

    private static void Check(SandboxRecord source, ForkSpec spec)
    {
        if (spec.Count is < 1 or > ForkSpec.MaxCount)
            throw SandboxException.Invalid($"A fork into {spec.Count} children is not possible.", $"Use 1 to {ForkSpec.MaxCount}.");
        SandboxRules.CheckEnvironment(NameValues.Merge(source.Environment, spec.Environment));
        SandboxRules.CheckMetadata(NameValues.Merge(source.Metadata, spec.Metadata));
        foreach (var name in spec.Names)
            SandboxRules.CheckName(name, "sandbox");
        if (spec.Names.Count > spec.Count)
            throw SandboxException.Invalid($"There are {spec.Names.Count} names for {spec.Count} children.", "Give as many names as children, or fewer.");
    }

    private static ForkTimings Timings(PauseSection pause, Capture capture, long started) => new()
    {
        Pause = pause.Between(0, 6),
        Stop = pause.Between(0, 1),
        DeviceState = pause.Between(1, 2),
        FreezeDisk = pause.Between(2, 3),
        List = pause.Between(3, 4),
        Copy = pause.Between(4, 5),
        Resume = pause.Between(5, 6),
        DeltaBytes = capture.DeltaBytes,
        Prepare = Stopwatch.GetElapsedTime(started, pause.Stamps[0]),
        Total = TimeSpan.Zero,
        WarmShells = 0,
    };

    /// <summary>What the pause left, and what goes with it.</summary>
    private sealed record ForkPoint(string ForkId, Capture Capture, IDisposable Reservation, bool Promote, ForkTimings Timings);
}
