using Mitos.Guest.Forks;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>The processes that the host started, and the sending of their output.</summary>
internal sealed class ProcessTable
{
    private const int MaxFinished = 256, MaxChunk = 16 << 10, RetainMs = 30_000;
    private readonly EventLoop _loop;
    private readonly Session _session;
    private readonly Reaper _reaper;
    private readonly Dictionary<ProcessKey, GuestProcess> _byKey = [];
    private readonly Dictionary<int, GuestProcess> _byPid = [];
    private readonly byte[] _chunk = new byte[MaxChunk];

    public ProcessTable(EventLoop loop, Session session)
    {
        _loop = loop;
        _session = session;
        _reaper = new Reaper(loop, OnExit);
    }

    /// <summary>Environment of every process, from the handshake.</summary>
    public Dictionary<string, string> Environment { get; set; } = [];

    public GuestProcess Start(StartRequest request)
    {
        if (_byKey.TryGetValue(request.Key, out var known))
            return known;
        var account = Account.Find(request.User);
        var process = GuestProcess.Start(_loop, request, account, EnvironmentOf(request, account), Changed);
        _byKey[process.Key] = process;
        _byPid[process.Pid] = process;
        _reaper.Notify();
        _loop.After(RetainMs, process.Release);
        DropOldest();
        return process;
    }

    /// <exception cref="AgentError">NotFound.</exception>
    public GuestProcess Find(ref WireReader request)
    {
        var key = ProcessKey.Read(request.Raw(ProcessKey.Length));
        return _byKey.GetValueOrDefault(key) ?? throw new AgentError(AgentErrorCode.NotFound, $"There is no process with the key {key}");
    }

    public void Attach(uint id, ref WireReader request, WireWriter reply)
    {
        var process = Find(ref request);
        var (stdout, stderr) = process.Subscribe(id, request.Number(), request.Number());
        reply.Number(process.Pid).Number(stdout).Number(stderr);
        _session.Answer(_session.Current, id, MessageType.Ok, reply.Written, keep: false);
        SendOutput();
    }

    public void Detach(uint id) => BySubscription(id)?.Unsubscribe(retain: false);

    public void Acknowledge(uint id, OutputStream stream, ulong offset)
    {
        BySubscription(id)?.Acknowledge(stream, offset);
        SendOutput();
    }

    /// <summary>The stream broke. Its host may come back and go on where it was, so output is kept for a while.</summary>
    public void OnBroken()
    {
        var any = false;
        foreach (var process in _byKey.Values)
        {
            any |= process.Subscriber is not null;
            process.Unsubscribe(retain: true);
        }
        if (any)
            _loop.After(RetainMs, ReleaseAll);
    }

    /// <summary>Another host came, as in a new fork: nobody will go on where the old one was.</summary>
    public void ReleaseAll()
    {
        foreach (var process in _byKey.Values)
            process.Release();
    }

    public void Forget(GuestProcess process)
    {
        if (process.ExitCode is null)
            throw new AgentError(AgentErrorCode.FailedPrecondition, $"Process {process.Pid} still runs; end it first");
        process.Close();
        _byKey.Remove(process.Key);
    }

    public void Write(WireWriter reply)
    {
        reply.Number(_byKey.Count);
        foreach (var process in _byKey.Values)
        {
            process.Key.Write(reply);
            reply.Number(process.Pid).Texts(process.Argv).Text(process.Directory).Text(process.User).Signed(process.StartedUnixMs)
                .Flag(process.ExitCode is not null).Number(process.ExitCode ?? 0).Number(process.ExitSignal);
        }
    }

    /// <summary>Sends output of all subscribed processes in turn, as long as the host takes it.</summary>
    public void SendOutput()
    {
        for (var more = true; more && _session.IsOpen;)
        {
            more = false;
            foreach (var process in _byKey.Values)
            {
                if (_session.IsCongested)
                    return;
                more |= SendSome(process);
            }
        }
    }

    /// <summary>Runs hooks one after the other; <paramref name="done"/> gets null, or what went wrong.</summary>
    public void RunHooks(string[] hooks, HandshakeRequest handshake, Action<string?> done, int index = 0)
    {
        if (index == hooks.Length)
        {
            done(null);
            return;
        }
        var environment = new Dictionary<string, string>
        {
            ["MITOS_SANDBOX_ID"] = handshake.SandboxId, ["MITOS_FORK_ID"] = handshake.ForkId,
            ["MITOS_FORK_INDEX"] = handshake.Index.ToString(global::System.Globalization.CultureInfo.InvariantCulture),
        };
        var request = new StartRequest(ProcessKey.New(), [hooks[index]], "/", environment, "root", false, false, 0, 0, ForkHooks.TimeoutMs);
        var hook = Start(request);
        _hooks[hook] = () =>
        {
            if (hook.ExitCode == 0)
                RunHooks(hooks, handshake, done, index + 1);
            else
                done($"The hook {hooks[index]} ended with {hook.ExitCode}: {TailOf(hook)}");
            _byKey.Remove(hook.Key);
        };
    }

    private readonly Dictionary<GuestProcess, Action> _hooks = [];

    private bool SendSome(GuestProcess process)
    {
        if (process.Subscriber is not { } id)
            return false;
        if (process.TryTakeOutput(_chunk, out var stream, out var offset, out var count))
        {
            _session.Begin().Number((int)stream).Number(offset).Raw(_chunk.AsSpan(0, count));
            _session.Send(id, MessageType.Output);
            return true;
        }
        if (process.ExitCode is { } code && process.OutputEnded && !process.EndSent)
        {
            process.EndSent = true;
            _session.Begin().Number(code).Number(process.ExitSignal);
            _session.Send(id, MessageType.Exited);
        }
        return false;
    }

    private void Changed(GuestProcess process)
    {
        if (process.ExitCode is not null && process.OutputEnded && _hooks.Remove(process, out var next))
            next();
        if (process.Subscriber is not null)
            SendOutput();
    }

    private void OnExit(int pid, int code, int signal)
    {
        if (_byPid.Remove(pid, out var process))
            process.OnExit(code, signal);
    }

    private GuestProcess? BySubscription(uint id)
    {
        foreach (var process in _byKey.Values)
        {
            if (process.Subscriber == id)
                return process;
        }
        return null;
    }

    private Dictionary<string, string> EnvironmentOf(StartRequest request, Account account)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = account.Home, ["USER"] = account.Name, ["LOGNAME"] = account.Name, ["SHELL"] = account.Shell, ["LANG"] = "C.UTF-8",
        };
        if (request.Terminal)
            environment["TERM"] = "xterm-256color";
        foreach (var (key, value) in Environment)
            environment[key] = value;
        foreach (var (key, value) in request.Environment)
            environment[key] = value;
        return environment;
    }

    private static string TailOf(GuestProcess process)
    {
        var tail = new byte[512];
        return process.TryTakeOutput(tail, out _, out _, out var count) ? global::System.Text.Encoding.UTF8.GetString(tail, 0, count).Trim() : "no output";
    }

    private void DropOldest()
    {
        if (_byKey.Count <= MaxFinished)
            return;
        foreach (var (key, process) in _byKey)
        {
            if (process.ExitCode is null || process.Subscriber is not null)
                continue;
            process.Close();
            _byKey.Remove(key);
            return;
        }
    }
}
