using Mitos.Contracts;

namespace Mitos.Client;

public sealed partial class MitosClient
{
    /// <summary>Keeps the present state of a sandbox. A running one goes on, a paused one stays paused. <see cref="CreateSandboxRequest.Snapshot"/> makes sandboxes of it.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="name">1 to 63 letters, digits, <c>. _ -</c>; unique among the snapshots of its team. Null: none.</param>
    /// <param name="cancellationToken">Ends the waiting, not the snapshot.</param>
    public Task<SnapshotBody> CreateSnapshotAsync(string id, string? name = null, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Path(id, "snapshots"), new SnapshotRequest(name), ContractsJson.Default.SnapshotRequest, ContractsJson.Default.SnapshotBody, cancellationToken);

    /// <summary>The snapshots, oldest first.</summary>
    /// <param name="sandbox">Only those of this sandbox, which may be gone; null: all.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<SnapshotBody>> ListSnapshotsAsync(string? sandbox = null, CancellationToken cancellationToken = default) =>
        _transport.GetAsync(sandbox is null ? "v1/snapshots" : $"v1/snapshots?sandbox={Uri.EscapeDataString(sandbox)}", ContractsJson.Default.ListSnapshotBody, cancellationToken);

    /// <summary>A snapshot.</summary>
    /// <param name="snapshot">Id, name, or the beginning of an id.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<SnapshotBody> GetSnapshotAsync(string snapshot, CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Snapshot(snapshot), ContractsJson.Default.SnapshotBody, cancellationToken);

    /// <summary>Makes sandboxes of a snapshot, as if its sandbox had been forked when it was taken. Look at each child: it is a sandbox or an error.</summary>
    /// <param name="snapshot">Id, name, or the beginning of an id.</param>
    /// <param name="request">How many, and with what.</param>
    /// <param name="cancellationToken">Ends the waiting, not the fork.</param>
    public Task<ForkBody> ForkSnapshotAsync(string snapshot, ForkRequest request, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Snapshot(snapshot, "/fork"), request, ContractsJson.Default.ForkRequest, ContractsJson.Default.ForkBody, cancellationToken);

    /// <summary>Removes a snapshot. Sandboxes that were made of it are not touched.</summary>
    /// <param name="snapshot">Id, name, or the beginning of an id.</param>
    /// <param name="cancellationToken">Ends the waiting, not the removal.</param>
    public Task RemoveSnapshotAsync(string snapshot, CancellationToken cancellationToken = default) => _transport.DoAsync(HttpMethod.Delete, Snapshot(snapshot), null, cancellationToken);

    private static string Snapshot(string snapshot, string rest = "") => $"v1/snapshots/{Part(snapshot, "snapshot")}{rest}";
}
