using Mitos.Engine.Sandboxes;

namespace Mitos.Engine.Snapshots;

/// <summary>Sandboxes kept on disk: paused ones, and snapshots from which new ones are made. Every method is safe to call concurrently.</summary>
public interface ISnapshots
{
    /// <summary>Captures a running sandbox to disk and ends its machine: it costs no memory any more, and survives a restart of the host.</summary>
    /// <exception cref="Errors.SandboxException">NotFound; FailedPrecondition: it does not run; Exhausted: no disk or memory, and it runs on.</exception>
    Task<SandboxInfo> PauseAsync(SandboxId id, CancellationToken cancellationToken) => PauseAsync(id, memory: true, cancellationToken);

    /// <inheritdoc cref="PauseAsync(SandboxId, CancellationToken)"/>
    /// <param name="id">The sandbox.</param>
    /// <param name="memory">Whether its memory is kept. Without it only its files are, and it boots anew when it is resumed: that takes seconds.</param>
    /// <param name="cancellationToken">Heeded until it stands still.</param>
    Task<SandboxInfo> PauseAsync(SandboxId id, bool memory, CancellationToken cancellationToken);

    /// <summary>Gives a paused sandbox a machine that goes on where it was. One that runs is left alone.</summary>
    /// <exception cref="Errors.SandboxException">NotFound; FailedPrecondition: it is stopped, or its snapshot is damaged; Exhausted.</exception>
    Task<SandboxInfo> ResumeAsync(SandboxId id, CancellationToken cancellationToken) => ResumeAsync(id, memory: true, cancellationToken);

    /// <inheritdoc cref="ResumeAsync(SandboxId, CancellationToken)"/>
    /// <param name="id">The sandbox.</param>
    /// <param name="memory">Whether it gets the memory that it was paused with. Without it, it boots from its disk, and that memory is deleted when it has: that takes seconds.</param>
    /// <param name="cancellationToken">Heeded until it has a machine.</param>
    Task<SandboxInfo> ResumeAsync(SandboxId id, bool memory, CancellationToken cancellationToken);

    /// <summary>Keeps a sandbox's present state, and lets it go on; a paused one stays paused.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="name">A name of the user's choice, as of sandboxes, unique among the snapshots of sandboxes of the same scope; null: none.</param>
    /// <param name="cancellationToken">Heeded until the sandbox is paused for it.</param>
    /// <exception cref="Errors.SandboxException">NotFound, FailedPrecondition, Conflict (name), Exhausted.</exception>
    Task<SnapshotInfo> CreateAsync(SandboxId id, string? name, CancellationToken cancellationToken);

    /// <summary>All, oldest first, without those that paused sandboxes have.</summary>
    IReadOnlyList<SnapshotInfo> List();

    /// <summary>By id, or by name, of whichever scope: the oldest; null: there is none.</summary>
    SnapshotInfo? TryFind(string idOrName);

    /// <summary>What a paused sandbox is kept in; null: it is not paused.</summary>
    SnapshotInfo? TryFindPaused(SandboxId id);

    /// <summary>Deletes a snapshot. Sandboxes that were made of it are not touched.</summary>
    /// <exception cref="Errors.SandboxException">NotFound.</exception>
    void Remove(string id);
}

/// <summary>A snapshot that can be used.</summary>
/// <param name="Id">20 letters and digits.</param>
/// <param name="Name">Given by the user; null: none.</param>
/// <param name="Source">The sandbox that it was taken of.</param>
/// <param name="Template">That sandbox's template.</param>
/// <param name="CreatedAt">When it was taken.</param>
/// <param name="CpuCount">Virtual CPUs of what is made of it.</param>
/// <param name="MemoryMiB">Their memory.</param>
/// <param name="DiskMiB">Size of their disk.</param>
/// <param name="DeltaBytes">Memory in which it differs from its template.</param>
/// <param name="FileBytes">What that takes on disk, without layers of disks.</param>
public sealed record SnapshotInfo(
    string Id, string? Name, SandboxId Source, string Template, DateTimeOffset CreatedAt, int CpuCount, int MemoryMiB, int DiskMiB, long DeltaBytes, long FileBytes);
