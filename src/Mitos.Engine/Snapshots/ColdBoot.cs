using Microsoft.Extensions.Logging;
using Mitos.Engine.Disks;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Machines;
using Mitos.Engine.Templates;
using Mitos.Linux;

namespace Mitos.Engine.Snapshots;

/// <summary>
/// Makes a capture of a snapshot without its memory: boots a machine on its disk, and freezes that. What comes of it is
/// then made like any child, so that one boot serves a resume and a fork into many alike.
/// </summary>
internal sealed class ColdBoot(MachineHost host, MachineBooter booter, TemplateFreezer freezer, TemplateRegistry templates, SnapshotStore snapshots, Birth birth, ILogger logger)
{
    private const long SmallestBoot = 256L << 20;
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(20), ReadyLimit = TimeSpan.FromSeconds(30);

    /// <summary>Memory that a machine needs which has just booted with what its template leaves running, bytes: an estimate for promises.</summary>
    public static long BytesOf(SnapshotRecord snapshot) => Math.Max(SmallestBoot, snapshot.Generation.ImageBytes);

    /// <summary>Boots it; takes seconds. The caller disposes the capture.</summary>
    /// <param name="snapshot">Memory that it has is left away, and stays as it is.</param>
    /// <param name="cancellationToken">Ends the machine.</param>
    /// <exception cref="SandboxException">Unavailable: it does not come up.</exception>
    public async Task<Capture> RunAsync(SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        await using var flushed = snapshot.FilesOnly ? null : await TryFlushAsync(snapshot, cancellationToken);
        var disk = flushed?.Disk.With(flushed.ActiveLayer) ?? new DiskStack(snapshot.Generation.BaseImage, [.. snapshot.Frozen.Select(LayerId.Parse)]);
        await using var booted = await booter.BootAsync(snapshot.Generation.Shape, disk, $"sandbox '{snapshot.Source.Id}'", cancellationToken);
        await StartAsync(booted, snapshot, cancellationToken);
        return await freezer.FreezeForNowAsync(booted, snapshot.Generation);
    }

    // What a guest has not written to its disk yet is in its memory only: it goes on for a moment to write that. One that cannot is booted
    // from its disk as it is, as after a power failure: a memory that wedges its guest is a reason to leave it away.
    private async Task<Machine?> TryFlushAsync(SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        Machine? machine = null;
        try
        {
            using var capture = snapshots.OpenForOne(snapshot, host.Driver.Facts.Fingerprint);
            (machine, _) = await birth.MakeAsync(capture, null, null, cancellationToken);
            await using var agent = MachineAgent.Open(machine, $"sandbox '{snapshot.Source.Id}'");
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(FlushLimit);
            await agent.ConnectAsync(limit.Token);
            await agent.SyncAsync(limit.Token);
            await Task.Run(() => machine.Vmm.Pause(Deadline.In(FlushLimit)), CancellationToken.None);
            machine.Vmm.Process.Kill(); // the layer's file must be complete and quiet before it is used
            await machine.Vmm.Process.Exited;
            return machine;
        }
        catch (Exception e)
        {
            if (machine is not null)
                await machine.DisposeAsync();
            cancellationToken.ThrowIfCancellationRequested();
            logger.LogWarning("sandbox {Sandbox} is booted from its disk as it is, and may lack what its guest had not written: {Reason}", snapshot.Source.Id, e.Message);
            return null;
        }
    }

    // What its template leaves running. A sandbox whose files keep that from starting comes up all the same: how else would they be mended?
    private async Task StartAsync(BootedMachine booted, SnapshotRecord snapshot, CancellationToken cancellationToken)
    {
        if (templates.TryGet(snapshot.Source.Template) is not { AllStartups: { Count: > 0 } startups } template)
            return;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ReadyLimit);
        try
        {
            await MachineAgent.HandshakeAsync(booted.Agent, MachineAgent.Identity(snapshot.Source.Id, snapshot.Source.Name, "", 0, "", template.Environment));
            foreach (var startup in startups)
            {
                await Startup.StartAsync(booted.Agent, startup.Command, startup.User, limit.Token);
                if (startup.Ready is { } ready)
                    await Startup.AwaitReadyAsync(booted.Agent, template.Name, ready, ReadyLimit, limit.Token);
            }
        }
        catch (Exception e) when (e is SandboxException or Agent.AgentException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning("what the template {Template} leaves running was started again in sandbox {Sandbox}, and is not ready: {Reason}", template.Name, snapshot.Source.Id, e.Message);
        }
    }
}
