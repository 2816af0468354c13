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

    /// <summary>Pauses a sandbox to disk: its machine ends and costs no memory, and it survives a restart of the host. One that is paused stays as it is.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="memory">Whether its memory is kept. Without it only its files are, and it boots anew when it is resumed, which takes seconds.</param>
    /// <param name="cancellationToken">Ends the waiting, not the pause.</param>
    /// <returns>The sandbox, with <see cref="SandboxBody.SavedBytes"/>.</returns>
    public Task<SandboxBody> PauseAsync(string id, bool memory = true, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Path(id, "pause"), new PauseRequest { Memory = memory }, ContractsJson.Default.PauseRequest, ContractsJson.Default.SandboxBody, cancellationToken);

    /// <summary>Lets a paused sandbox go on where it was, and returns when it can be used. One that runs is left alone, but for its end.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="request">How long it lives from now on; null: until the end that it has, or, where that is over, until it is removed.</param>
    /// <param name="cancellationToken">Leaves it paused.</param>
    public Task<SandboxBody> ResumeAsync(string id, ResumeRequest? request = null, CancellationToken cancellationToken = default) =>
        _transport.PostAsync(Path(id, "resume"), request ?? new(), ContractsJson.Default.ResumeRequest, ContractsJson.Default.SandboxBody, cancellationToken);

    /// <summary>Sets when a sandbox's time is over, later or sooner.</summary>
    /// <param name="id">The sandbox.</param>
    /// <param name="timeout">From now on, 1 s to 30 days in whole seconds; null: it lives until it is removed.</param>
    /// <param name="onTimeout"><c>kill</c> or <c>pause</c>; null: as before, else <c>kill</c>.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<SandboxBody> SetTimeoutAsync(string id, TimeSpan? timeout, string? onTimeout = null, CancellationToken cancellationToken = default) => timeout is { } life
        ? _transport.PostAsync(Path(id, "timeout"), new TimeoutRequest { TimeoutSeconds = (int)Math.Clamp(life.TotalSeconds, -1, int.MaxValue), OnTimeout = onTimeout },
            ContractsJson.Default.TimeoutRequest, ContractsJson.Default.SandboxBody, cancellationToken)
        : _transport.DeleteAsync(Path(id, "timeout"), ContractsJson.Default.SandboxBody, cancellationToken);

    /// <summary>Forks a sandbox: one that runs goes on, one that is paused stays so. Look at each child: it is a sandbox or an error.</summary>
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
