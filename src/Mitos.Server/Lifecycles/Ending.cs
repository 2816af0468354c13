namespace Mitos.Server.Lifecycles;

/// <summary>The end of a sandbox whose time is over, until it is disposed.</summary>
/// <param name="lease">As it is meanwhile.</param>
/// <param name="end">Lets changes of the lease go on.</param>
internal sealed class Ending(Lease lease, Action end) : IDisposable
{
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Lease Lease { get; } = lease;

    /// <summary>Completes when it is disposed.</summary>
    public Task Over => _over.Task;

    public void Dispose()
    {
        end();
        _over.TrySetResult();
    }
}
