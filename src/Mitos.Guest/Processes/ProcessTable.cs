using Mitos.Guest.Loop;
using Mitos.Guest.Sessions;
using Mitos.Guest.Streams;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>The processes that the host started.</summary>
internal sealed class ProcessTable
{
    private const int MaxFinished = 256, MaxFinishedBytes = 16 << 20, MaxRunning = 16384, MaxListed = 4 << 20;
    private readonly EventLoop _loop;
    private readonly EndpointTable _endpoints;
    private readonly Dictionary<int, GuestProcess> _running = [];
    private readonly List<GuestProcess> _listed = []; // in the order of their starts
    private readonly Dictionary<GuestProcess, Action<GuestProcess>> _internal = [];

    public ProcessTable(EventLoop loop, EndpointTable endpoints)
    {
        (_loop, _endpoints) = (loop, endpoints);
        _ = new Reaper(loop, OnExit);
    }

    /// <summary>Environment of every process, from the handshake.</summary>
    public Dictionary<string, string> Environment { get; set; } = [];

    public IReadOnlyCollection<GuestProcess> Running => _running.Values;

    /// <summary>Starts a process, or finds the one that has this key already.</summary>
    /// <exception cref="AgentError">NotFound, InvalidArgument, PermissionDenied, Exhausted.</exception>
    public GuestProcess Start(StartRequest request)
    {
        if (_endpoints.TryFind<GuestProcess>(request.Key, out var known))
            return known;
        if (_running.Count >= MaxRunning)
            throw new AgentError(AgentErrorCode.Exhausted, $"{MaxRunning} processes that were started here run; end some first");
        var process = Launch(request);
        _endpoints.Add(process);
        _listed.Add(process);
        process.Expect(_loop);
        return process;
    }

    /// <summary>Starts a process for the agent itself, which hosts do not see.</summary>
    public void Run(StartRequest request, Action<GuestProcess> ended) => _internal[Launch(request)] = ended;

    /// <exception cref="AgentError">FailedPrecondition: it runs.</exception>
    public void Forget(GuestProcess process)
    {
        if (process.ExitCode is null)
            throw new AgentError(AgentErrorCode.FailedPrecondition, $"Process {process.Pid} still runs; end it first");
        Drop(process);
    }

    /// <param name="reply">Gets the list.</param>
    /// <param name="environments">Whether those that run tell theirs, as far as there is room.</param>
    public void Write(WireWriter reply, bool environments)
    {
        reply.Number(_listed.Count);
        foreach (var process in _listed)
        {
            process.Key.Write(reply);
            reply.Number(process.Pid).Texts(process.Argv).Text(process.Directory).Text(process.User).Signed(process.StartedUnixMs)
                .Flag(process.ExitCode is not null).Number(process.ExitCode ?? 0).Number(process.ExitSignal).Text(process.Tag).Flag(process.HasTerminal)
                .Map(environments && process.ExitCode is null && reply.Written.Length < MaxListed ? process.OwnEnvironment : []);
        }
    }

    private GuestProcess Launch(StartRequest request)
    {
        var account = Account.Find(request.User);
        var process = GuestProcess.Start(_loop, request, account, ProcessEnvironment.Of(request, account, Environment), OnChanged);
        _running[process.Pid] = process;
        return process;
    }

    private void OnChanged(GuestProcess process)
    {
        if (process.TryGetEnd(out _, out _) && _internal.Remove(process, out var ended))
            ended(process);
        _endpoints.Send(process);
    }

    private void OnExit(int pid, int code, int signal)
    {
        if (!_running.Remove(pid, out var process))
            return; // an orphan
        process.OnExit(code, signal);
        DropOldest();
    }

    private void DropOldest()
    {
        var (finished, bytes) = (0, 0);
        for (var i = _listed.Count - 1; i >= 0; i--)
        {
            var process = _listed[i];
            if (process.ExitCode is null)
                continue;
            finished++;
            foreach (var output in process.Outputs)
                bytes += output.Ring.Size;
            if ((finished > MaxFinished || bytes > MaxFinishedBytes) && process.Subscriptions.Count == 0)
                Drop(process);
        }
    }

    private void Drop(GuestProcess process)
    {
        _endpoints.Remove(process);
        _listed.Remove(process);
        foreach (var output in process.Outputs)
            output.Discard();
    }
}
