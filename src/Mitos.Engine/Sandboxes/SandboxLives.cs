using Microsoft.Extensions.Logging;
using Mitos.Engine.Agent;
using Mitos.Engine.Machines;

namespace Mitos.Engine.Sandboxes;

/// <summary>Gives sandboxes their machines, sees when those end by themselves, and takes them away.</summary>
internal sealed class SandboxLives(SandboxStore store, ILogger logger)
{
    /// <summary>Takes a running machine into the books, and watches for its end.</summary>
    public Sandbox Adopt(SandboxRecord record, Machine machine, AgentClient agent) => Adopt(record, machine, agent, recovered: false);

    /// <inheritdoc cref="Adopt(SandboxRecord, Machine, AgentClient)"/>
    /// <param name="record">Its journal.</param>
    /// <param name="machine">Its machine.</param>
    /// <param name="agent">Its agent.</param>
    /// <param name="recovered">See <see cref="SandboxStore.Add"/>.</param>
    public Sandbox Adopt(SandboxRecord record, Machine machine, AgentClient agent, bool recovered)
    {
        var sandbox = new Sandbox(record, machine, agent);
        store.Add(sandbox, recovered);
        Watch(sandbox, machine);
        return sandbox;
    }

    /// <summary>Sees to it that the machine's own end makes the sandbox a stopped one.</summary>
    public void Watch(Sandbox sandbox, Machine machine) =>
        _ = machine.Vmm.Process.Exited.ContinueWith(_ => OnExitAsync(sandbox, machine), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    /// <summary>Ends the machine. The caller holds the sandbox's gate.</summary>
    /// <param name="sandbox">Whose.</param>
    /// <param name="how">What has become of it, for those who use it right now: <c>was paused</c>.</param>
    /// <param name="remedy">What they can do; null: see why.</param>
    public static async Task EndAsync(Sandbox sandbox, string how, string? remedy = null)
    {
        if (sandbox.Agent is { } agent)
        {
            agent.Fail(AgentException.Ended($"sandbox '{sandbox.Id}'", how, remedy));
            await agent.DisposeAsync();
        }
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
            try
            {
                store.Write(sandbox);
            }
            catch (IOException e)
            {
                logger.LogError(e, "that sandbox {Id} stopped could not be written; the next start sees it again", sandbox.Id);
            }
            await EndAsync(sandbox, $"has ended: {reason}");
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
