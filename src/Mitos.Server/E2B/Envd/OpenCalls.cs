using Mitos.Engine.Sandboxes;
using Mitos.Server.E2B.Envd.Connect;

namespace Mitos.Server.E2B.Envd;

/// <summary>Counts the calls that are open, so that no client takes the server from the others.</summary>
/// <param name="ofOne">How many one sandbox may have.</param>
/// <param name="ofAll">How many all may have.</param>
internal sealed class OpenCalls(int ofOne = 1024, int ofAll = 4096)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<SandboxId, int> _open = [];
    private int _all;

    /// <summary>Counts one until it is disposed.</summary>
    /// <exception cref="ConnectException">resource_exhausted.</exception>
    public IDisposable Enter(SandboxId id)
    {
        lock (_lock)
        {
            var open = _open.GetValueOrDefault(id);
            if (open >= ofOne)
                throw new ConnectException("resource_exhausted", $"{ofOne} calls of this sandbox are open, which is the limit; end some first");
            if (_all >= ofAll)
                throw new ConnectException("resource_exhausted", $"{ofAll} calls are open on this server, which is the limit; try again later");
            _open[id] = open + 1;
            _all++;
        }
        return new Call(this, id);
    }

    private void Leave(SandboxId id)
    {
        lock (_lock)
        {
            _all--;
            if (--_open[id] == 0)
                _open.Remove(id);
        }
    }

    private sealed class Call(OpenCalls calls, SandboxId id) : IDisposable
    {
        public void Dispose() => calls.Leave(id);
    }
}
