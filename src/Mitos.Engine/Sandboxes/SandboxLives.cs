using Microsoft.Extensions.Logging;
using Mitos.Engine.Agent;
using Mitos.Engine.Machines;

namespace Mitos.Engine.Sandboxes;

/// <summary>Gives sandboxes their machines, sees when those end by themselves, and takes them away.</summary>
internal sealed class SandboxLives(SandboxStore store, ILogger logger)
{
    /// <summary>Takes a running machine into the books, and watches for its end.</summary>
    public Sandbox Adopt(SandboxRecord record, Machine machine, AgentClient agent)
    {
        var sandbox = new Sandbox(record, machine, agent);
        store.Add(sandbox);
        Watch(sandbox, machine);
        return sandbox;
    }

    /// <summary>Sees to it that the machine's own end makes the sandbox a stopped one.</summary>
    public void Watch(Sandbox sandbox, Machine machine) =>
        _ = machine.Vmm.Process.Exited.ContinueWith(_ => OnExitAsync(sandbox, machine), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    /// <summary>Ends the machine. The caller holds the sandbox's gate.</summary>
    public static async Task EndAsync(Sandbox sandbox)
    {
        if (sandbox.Agent is { } agent)
            await agent.DisposeAsync();
        if (sandbox.Machine is { } machine)
            await machine.DisposeAsync();
        (sandbox.Agent, sandbox.Machine) = (null, null);
    }

    private async Task OnExitAsync(Sandbox sandbox, Machine machine)
    {
        await sandbox.Gate.WaitAsync();
        try
        {
            if (sandbox.Removing || sandbox.Machine != machine)
                return;
            var reason = machine.Cgroup.OutOfMemoryKills() > 0 ? "its machine used more memory than it may" : "its machine ended";
            logger.LogWarning("sandbox {Sandbox} stopped: {Reason}", sandbox.Id, reason);
            sandbox.Record = sandbox.Record with { State = SandboxState.Stopped, StoppedAt = DateTimeOffset.UtcNow, StopReason = reason };
            store.Write(sandbox);
            await EndAsync(sandbox);
            sandbox.Stopped.TrySetResult();
        }
        catch (Exception e)
        {
            logger.LogError(e, "sandbox {Sandbox} could not be cleaned up", sandbox.Id);
        }
        finally
        {
            sandbox.Gate.Release();
        }
    }
}
