using Mitos.Engine.Sandboxes;

namespace Mitos.Server.Requests;

/// <summary>Counts the calls to guests that are open, by whichever API, so that no client takes the server from the others.</summary>
/// <param name="teamOf">The team that owns a sandbox, by its id.</param>
/// <param name="ofOne">How many one sandbox may have.</param>
/// <param name="ofTeam">How many the sandboxes of one team may have.</param>
/// <param name="ofAll">How many all may have.</param>
internal sealed class OpenCalls(Func<string, string> teamOf, int ofOne = 1024, int ofTeam = 4096, int ofAll = 8192)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _open = []; // by sandbox, and by team
    private int _all;

    /// <summary>Counts one until it is disposed.</summary>
    /// <exception cref="TooManyCallsException">There are as many as may be.</exception>
    public IDisposable Enter(SandboxId id)
    {
        var (one, team) = (id.ToString(), teamOf(id.ToString()));
        lock (_lock)
        {
            if (_open.GetValueOrDefault(one) >= ofOne)
                throw new TooManyCallsException($"{ofOne} calls of this sandbox are open, which is the limit; end some first");
            if (_open.GetValueOrDefault(team) >= ofTeam)
                throw new TooManyCallsException($"{ofTeam} calls of this team's sandboxes are open, which is the limit; end some first");
            if (_all >= ofAll)
                throw new TooManyCallsException($"{ofAll} calls are open on this server, which is the limit; try again later");
            _open[one] = _open.GetValueOrDefault(one) + 1;
            _open[team] = _open.GetValueOrDefault(team) + 1;
            _all++;
        }
        return new Call(this, one, team);
    }

    private void Leave(string one, string team)
    {
        lock (_lock)
        {
            _all--;
            foreach (var counted in (ReadOnlySpan<string>)[one, team])
            {
                if (--_open[counted] == 0)
                    _open.Remove(counted);
            }
        }
    }

    private sealed class Call(OpenCalls calls, string one, string team) : IDisposable
    {
        public void Dispose() => calls.Leave(one, team);
    }
}

/// <summary>Too many calls are open. 429.</summary>
internal sealed class TooManyCallsException(string message) : Exception(message);
