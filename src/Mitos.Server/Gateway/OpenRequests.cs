using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Gateway;

/// <summary>Counts the requests to the ports of each sandbox that are open, so that one cannot take the server from the others.</summary>
/// <param name="limit">How many a sandbox may have. Each is a stream of its agent, which has 1024 for all that is done with it.</param>
internal sealed class OpenRequests(int limit = 512)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<SandboxId, int> _open = [];

    public int Limit => limit;

    /// <returns>False: it has as many as it may. True: <see cref="Leave"/> must follow.</returns>
    public bool TryEnter(SandboxId id)
    {
        lock (_lock)
        {
            var open = _open.GetValueOrDefault(id);
            if (open >= limit)
                return false;
            _open[id] = open + 1;
            return true;
        }
    }

    public void Leave(SandboxId id)
    {
        lock (_lock)
        {
            if (--_open[id] == 0)
                _open.Remove(id);
        }
    }
}
