using Mitos.Engine.Agent;

namespace Mitos.Engine.Sandboxes;

/// <summary>All sandboxes of one host. Every method is safe to call concurrently.</summary>
public interface ISandboxes
{
    /// <summary>Creates a sandbox from a template and returns when its agent has acknowledged the handshake.</summary>
    /// <exception cref="Errors.SandboxException">InvalidArgument, NotFound (template), Conflict (name), Exhausted, Internal.</exception>
    Task<SandboxInfo> CreateAsync(CreateSandboxSpec spec, CancellationToken cancellationToken);

    /// <summary>Forks a running or a paused sandbox; see docs/fork.md. Concurrent forks of one source are served in turn.</summary>
    /// <exception cref="Errors.SandboxException">The request as a whole was refused. A single child's failure is in the result.</exception>
    Task<ForkResult> ForkAsync(SandboxId source, ForkSpec spec, CancellationToken cancellationToken);

    /// <summary>Makes children of a snapshot, as if the sandbox that it was taken of were forked at that time.</summary>
    /// <param name="snapshot">Its id or name.</param>
    /// <param name="spec">How many, and with what.</param>
    /// <param name="cancellationToken">Heeded until the first child is begun.</param>
    /// <exception cref="Errors.SandboxException">NotFound; the request as a whole was refused. A single child's failure is in the result.</exception>
    Task<ForkResult> ForkSnapshotAsync(string snapshot, ForkSpec spec, CancellationToken cancellationToken);

    /// <summary>Ends the machine and removes all that belongs to the sandbox. Its children are not touched.</summary>
    /// <exception cref="Errors.SandboxException">NotFound.</exception>
    Task RemoveAsync(SandboxId id, CancellationToken cancellationToken) => RemoveAsync(id, _ => true, cancellationToken);

    /// <inheritdoc cref="RemoveAsync(SandboxId, CancellationToken)"/>
    /// <param name="id">The sandbox.</param>
    /// <param name="when">Asked once nothing else is under way with it, a pause for example: whether it is still to be removed as it is then.</param>
    /// <param name="cancellationToken">Heeded until its turn comes.</param>
    /// <returns>False: it was not to be, and stays.</returns>
    Task<bool> RemoveAsync(SandboxId id, Func<SandboxInfo, bool> when, CancellationToken cancellationToken);

    /// <summary>All sandboxes, oldest first.</summary>
    IReadOnlyList<SandboxInfo> List();

    /// <summary>Finds by whole id, by name, or by an unambiguous beginning of an id.</summary>
    /// <exception cref="Errors.SandboxException">NotFound, its remedy naming the nearest; Conflict when the name or the beginning is ambiguous.</exception>
    SandboxInfo Find(string idOrName);

    /// <summary>The sandbox of exactly this id; null: there is none.</summary>
    SandboxInfo? TryGet(SandboxId id);

    /// <summary>The sandbox as it is once no pause of it is under way: it runs on, or is paused. Null: there is none (any more).</summary>
    Task<SandboxInfo?> SettledAsync(SandboxId id, CancellationToken cancellationToken);

    /// <summary>The agent in the sandbox, also while it is being paused, when it does not answer.</summary>
    /// <exception cref="Errors.SandboxException">NotFound; FailedPrecondition when it does not run.</exception>
    AgentClient Agent(SandboxId id);

    /// <summary>The agent in the sandbox, once no pause of it is under way: what is asked of it does not go to a machine that is about to end.</summary>
    /// <exception cref="Errors.SandboxException">NotFound; FailedPrecondition when it does not run (any more).</exception>
    async Task<AgentClient> AgentAsync(SandboxId id, CancellationToken cancellationToken)
    {
        await SettledAsync(id, cancellationToken);
        return Agent(id);
    }

    /// <summary>Reads what the sandbox costs now. Takes about a millisecond per GiB of guest memory.</summary>
    MemoryUsage ReadMemory(SandboxId id);

    /// <summary>CPU time that its VMM has used, all threads.</summary>
    TimeSpan ReadCpuTime(SandboxId id);

    /// <summary>The last bytes of the guest's console (kernel log and agent), at most <paramref name="maxBytes"/>.</summary>
    byte[] ReadConsole(SandboxId id, int maxBytes);

    /// <summary>Completes when the sandbox has stopped or been removed.</summary>
    Task WaitStoppedAsync(SandboxId id, CancellationToken cancellationToken);
}
