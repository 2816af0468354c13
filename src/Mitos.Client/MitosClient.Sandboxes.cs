using Mitos.Contracts;

namespace Mitos.Client;

public sealed partial class MitosClient
{
    /// <summary>Creates a sandbox, and returns when it can be used.</summary>
    /// <param name="request">What it should be; an empty one will do.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<SandboxBody> CreateAsync(CreateSandboxRequest request, CancellationToken cancellationToken = default) =>
        _transport.PostAsync("v1/sandboxes", request, ContractsJson.Default.CreateSandboxRequest, ContractsJson.Default.SandboxBody, cancellationToken);

    /// <summary>All sandboxes, oldest first.</summary>
    /// <param name="memory">Whether to measure each sandbox's memory: about a millisecond each.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<SandboxBody>> ListAsync(bool memory = false, CancellationToken cancellationToken = default) =>
        _transport.GetAsync($"v1/sandboxes?memory={Flag(memory)}", ContractsJson.Default.ListSandboxBody, cancellationToken);

    /// <summary>A sandbox as it is now, with what its machine costs.</summary>
    /// <param name="id">Id, name, or the beginning of an id.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<SandboxBody> GetAsync(string id, CancellationToken cancellationToken = default) => _transport.GetAsync(Path(id), ContractsJson.Default.SandboxBody, cancellationToken);

    /// <summary>Ends a sandbox and removes all that belongs to it. Its children are not touched.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="cancellationToken">Ends the waiting, not the removal.</param>
    public Task RemoveAsync(string id, CancellationToken cancellationToken = default) => _transport.DoAsync(HttpMethod.Delete, Path(id), null, cancellationToken);

    /// <summary>Forks a running sandbox, which goes on. Look at each child: it is a sandbox or an error.</summary>
    /// <param name="id">The source.</param>
    /// <param name="request">How many, and with what.</param>
    /// <param name="cancellationToken">Ends the waiting, not the fork.</param>
    public Task<ForkBody> ForkAsync(string id, ForkRequest request, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Path(id, "fork"), request, ContractsJson.Default.ForkRequest, ContractsJson.Default.ForkBody, cancellationToken);

    /// <summary>Who was forked from whom. Each sandbox comes after the one that it was forked from; removed ones are shown as long as they have descendants.</summary>
    /// <param name="memory">Whether to measure each sandbox's memory.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<TreeNodeBody>> GetTreeAsync(bool memory = false, CancellationToken cancellationToken = default) =>
        _transport.GetAsync($"v1/tree?memory={Flag(memory)}", ContractsJson.Default.ListTreeNodeBody, cancellationToken);

    /// <summary>A sandbox and its descendants, as <see cref="GetTreeAsync(bool, CancellationToken)"/>.</summary>
    /// <param name="id">The root of the answer.</param>
    /// <param name="memory">Whether to measure each sandbox's memory.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<List<TreeNodeBody>> GetTreeAsync(string id, bool memory = false, CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Path(id, $"tree?memory={Flag(memory)}"), ContractsJson.Default.ListTreeNodeBody, cancellationToken);

    /// <summary>What a sandbox uses.</summary>
    /// <param name="id">The sandbox; it runs.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<MetricsBody> GetMetricsAsync(string id, CancellationToken cancellationToken = default) =>
        _transport.GetAsync(Path(id, "metrics"), ContractsJson.Default.MetricsBody, cancellationToken);

    /// <summary>The end of the guest's console: its kernel's and its agent's words.</summary>
    /// <param name="id">The sandbox; it may be stopped.</param>
    /// <param name="bytes">At most so many, 0 to 1048576.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<byte[]> GetConsoleAsync(string id, int bytes = 65536, CancellationToken cancellationToken = default)
    {
        using var response = await _transport.SendAsync(new HttpRequestMessage(HttpMethod.Get, Path(id, $"console?bytes={bytes}")), cancellationToken);
        return await _transport.GuardAsync(() => response.Content.ReadAsByteArrayAsync(cancellationToken));
    }
}
