using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Mitos.Engine.Agent;
using Mitos.Engine.Capacity;
using Mitos.Engine.Errors;
using Mitos.Engine.Forks;
using Mitos.Engine.Machines;
using Mitos.Engine.Templates;
using Mitos.Linux.Memory;

namespace Mitos.Engine.Sandboxes;

/// <summary>Creates, finds, measures and removes sandboxes. Forks are in <see cref="ForkService"/>.</summary>
internal sealed class SandboxService(
    SandboxStore store, TemplateService templates, TemplateRegistry registry, MachineHost host, ShellPool shells, Birth birth, ForkService forks, HostCapacity capacity, ILogger logger) : ISandboxes
{
    private const long VmmBytes = 24L << 20, OverlayBytes = 1L << 20;

    public async Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, CancellationToken cancellationToken)
    {
        SandboxRules.CheckName(spec.Name, "sandbox");
        SandboxRules.CheckMetadata(spec.Metadata);
        SandboxRules.CheckShape(spec.CpuCount, spec.MemoryMiB);
        var environment = NameValues.Merge(registry.Get(spec.Template).Environment, spec.Environment);
        SandboxRules.CheckEnvironment(environment);
        using var generation = await templates.OpenAsync(spec.Template, spec.CpuCount, spec.MemoryMiB, cancellationToken);
        using var reservation = capacity.Reserve($"A sandbox of template '{spec.Template}'", VmmBytes, OverlayBytes);
        store.TakeName(spec.Name);
        try
        {
            var id = SandboxId.New();
            var token = RandomNumberGenerator.GetHexString(48, lowercase: true);
            using var capture = Capture.Of(generation, host.Layers);
            var (machine, _) = await birth.MakeAsync(capture, null, null, cancellationToken);
            var agent = MachineAgent.Open(machine, $"sandbox '{id}'");
            try
            {
                await MachineAgent.HandshakeAsync(agent, MachineAgent.Identity(id.ToString(), spec.Name, "", 0, token, environment));
                var record = new SandboxRecord
                {
                    Id = id.ToString(), Name = spec.Name, State = SandboxState.Running, Template = spec.Template, CreatedAt = DateTimeOffset.UtcNow, Lineage = [],
                    Environment = environment, Metadata = spec.Metadata, AccessToken = token, Machine = SandboxStore.Describe(machine),
                };
                return Adopt(record, machine, agent).Describe();
            }
            catch
            {
                await agent.DisposeAsync();
                await machine.DisposeAsync();
                throw;
            }
            finally
            {
                shells.Refill(generation);
            }
        }
        catch (Exception e)
        {
            store.ReleaseName(spec.Name);
            if (e is VmmException or IOException)
                throw new SandboxException(ErrorCode.Internal, $"A sandbox of template '{spec.Template}' could not be created: {e.Message}", "Try again; `mitos doctor` checks this host.", e);
            throw;
        }
    }

    public async Task<ForkResult> ForkAsync(SandboxId source, ForkSpec spec, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(source);
        return await forks.ForkAsync(sandbox, spec, Adopt, cancellationToken);
    }

    public async Task RemoveAsync(SandboxId id, CancellationToken cancellationToken)
    {
        var sandbox = store.Get(id);
        await sandbox.Gate.WaitAsync(cancellationToken);
        try
        {
            if (sandbox.Removing)
                throw SandboxException.NotFound("sandbox", id.ToString(), "It is being removed already.");
            sandbox.Removing = true;
            // The journal goes first: if we end here, the machine belongs to nobody, and the next start ends it.
            store.Remove(sandbox);
            await EndAsync(sandbox);
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }

    public IReadOnlyList<SandboxInfo> List() => store.All.Select(sandbox => sandbox.Describe()).ToList();

    public SandboxInfo Find(string idOrName) => store.Find(idOrName).Describe();

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

    /// <summary>Takes a running machine into the books, and watches for its end.</summary>
    internal Sandbox Adopt(SandboxRecord record, Machine machine, AgentClient agent)
    {
        var sandbox = new Sandbox(record, machine, agent);
        store.Add(sandbox);
        _ = machine.Vmm.Process.Exited.ContinueWith(_ => OnExitAsync(sandbox), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return sandbox;
    }

    private async Task OnExitAsync(Sandbox sandbox)
    {
        await sandbox.Gate.WaitAsync();
        try
        {
            if (sandbox.Removing || sandbox.Machine is not { } machine)
                return;
            var reason = machine.Cgroup.OutOfMemoryKills() > 0 ? "its machine used more memory than it may" : "its machine ended";
            logger.LogWarning("sandbox {Id} stopped: {Reason}", sandbox.Id, reason);
            sandbox.Record = sandbox.Record with { State = SandboxState.Stopped, StoppedAt = DateTimeOffset.UtcNow, StopReason = reason };
            store.Write(sandbox);
            await EndAsync(sandbox);
        }
        catch (Exception e)
        {
            logger.LogError(e, "sandbox {Id} could not be cleaned up", sandbox.Id);
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }

    private static async Task EndAsync(Sandbox sandbox)
    {
        if (sandbox.Agent is { } agent)
            await agent.DisposeAsync();
        if (sandbox.Machine is { } machine)
            await machine.DisposeAsync();
        (sandbox.Agent, sandbox.Machine) = (null, null);
        sandbox.Stopped.TrySetResult();
    }
}
