using Mitos.Guest.Files;
using Mitos.Guest.Forks;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Ports;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Guest.Streams;
using Mitos.Guest.Watches;
using Mitos.Protocol.Messages;

namespace Mitos.Guest;

/// <summary>Answers the host's requests. All of it runs on the loop's thread, but for file operations.</summary>
internal sealed class Agent
{
    private readonly EventLoop _loop;
    private readonly Session _session;
    private readonly EndpointTable _endpoints;
    private readonly ProcessTable _processes;
    private readonly PortTable _ports;
    private readonly WatchTable _watches;
    private readonly ForkHooks _hooks;
    private readonly FileWorker _files = new();
    private readonly Handshake _handshake;
    private readonly string _bootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
    private string _sandboxId = "";

    /// <param name="loop">Runs it.</param>
    /// <param name="transport">To the host.</param>
    /// <param name="root">See <see cref="Handshake(string)"/>.</param>
    public Agent(EventLoop loop, ITransport transport, string root)
    {
        (_loop, _handshake) = (loop, new Handshake(root));
        _session = new Session(transport) { Requested = OnRequest, WriteFacts = WriteFacts };
        loop.Settled = _session.Flush;
        _endpoints = new EndpointTable(loop, _session);
        _processes = new ProcessTable(loop, _endpoints);
        _ports = new PortTable(loop, _endpoints, _session);
        _watches = new WatchTable(loop, _session, _files);
        _hooks = new ForkHooks(_processes, root);
    }

    private void OnRequest(RequestOrigin origin, WireReader request)
    {
        if (origin.Type is >= MessageType.Stat and <= MessageType.Remove)
        {
            RunFileOperation(origin, request.Rest().ToArray());
            return;
        }
        try
        {
            if (Handle(origin, ref request) is { } reply)
                _session.Answer(origin, MessageType.Ok, reply.Written);
        }
        catch (Exception e)
        {
            Refuse(origin, e);
        }
    }

    private void RunFileOperation(RequestOrigin origin, byte[] request) => _files.Run(() =>
    {
        var reply = new WireWriter();
        Exception? error = null;
        try
        {
            FileOperations.Run(origin.Type, new WireReader(request), reply);
        }
        catch (Exception e)
        {
            error = e;
        }
        _loop.Post(() => Answer(origin, error, reply));
    });

    // Null: the answer is sent later, or there is none.
    private WireWriter? Handle(RequestOrigin origin, ref WireReader request)
    {
        var reply = new WireWriter();
        switch (origin.Type)
        {
            case MessageType.Ping:
                return reply;
            case MessageType.Start:
                return reply.Number(_processes.Start(StartRequest.Read(ref request)).Pid);
            case MessageType.Attach:
                _session.Answer(origin, MessageType.Ok, _endpoints.Attach(origin.Id, ref request, reply).Written);
                _endpoints.SendAll(); // its output comes after the answer
                return null;
            case MessageType.Detach:
                _endpoints.Detach((uint)request.Int32());
                return reply;
            case MessageType.Ack:
                _endpoints.Acknowledge(origin.Id, (OutputStream)request.Int32(), request.Number());
                return null;
            case MessageType.Stdin:
                WriteInput(origin, ref request);
                return null;
            case MessageType.CloseStdin:
                _endpoints.Find<Endpoint>(ref request).Input?.End();
                return reply;
            case MessageType.Signal:
                _endpoints.Find<GuestProcess>(ref request).Signal(request.Int32(), request.Flag());
                return reply;
            case MessageType.Resize:
                _endpoints.Find<GuestProcess>(ref request).Resize(request.Int32(), request.Int32());
                return reply;
            case MessageType.ListProcesses:
                _processes.Write(reply, environments: request.Flag());
                return reply;
            case MessageType.Forget:
                _processes.Forget(_endpoints.Find<GuestProcess>(ref request));
                return reply;
            case MessageType.Watch:
                var user = FileUser.Read(ref request);
                var path = GuestPath.Resolve(request.Text(), user.Account);
                _watches.Add(new FileWatch(origin.Id, path, request.Flag(), user), error => Answer(origin, error, new WireWriter().Text(path)));
                return null;
            case MessageType.Unwatch:
                _watches.Remove((uint)request.Int32());
                return reply;
            case MessageType.OpenPort:
                OpenPort(origin, ref request, reply);
                return null;
            case MessageType.ClosePort:
                if (_endpoints.TryFind<PortEndpoint>(ProcessKey.Read(request.Raw(ProcessKey.Length)), out var port))
                    _ports.Close(port, request.Flag());
                return reply;
            case MessageType.Metrics:
                SystemFacts.Metrics.Write(reply);
                return reply;
            case MessageType.Handshake:
                Greet(origin, HandshakeRequest.Read(ref request), reply);
                return null;
            case MessageType.Freeze:
                Freeze();
                return reply;
            case MessageType.Sync:
                Libc.Sync();
                return reply;
            case MessageType.PowerOff:
                _loop.After(10, () => Boot.PowerOff.Now(_processes)); // the answer goes first
                return reply;
            case MessageType.ConfigureNetwork:
                Boot.Network.Configure(request.Text());
                return reply;
            default:
                throw new AgentError(AgentErrorCode.Unsupported, $"This agent does not know the request {(int)origin.Type}");
        }
    }

    // Answers with how much was taken in all. No bytes: only asks that.
    private void WriteInput(RequestOrigin origin, ref WireReader request)
    {
        var input = _endpoints.Find<Endpoint>(ref request).Input
            ?? throw new AgentError(AgentErrorCode.FailedPrecondition, "The process was started without input", Errno.EPIPE);
        var offset = request.Number();
        var bytes = request.Rest();
        if (bytes.Length == 0)
            _session.Answer(origin, MessageType.Ok, new WireWriter().Number(input.Accepted).Written);
        else
            input.Write(offset, bytes, error => Answer(origin, error, new WireWriter().Number(input.Accepted)));
    }

    private void OpenPort(RequestOrigin origin, ref WireReader request, WireWriter reply)
    {
        var key = ProcessKey.Read(request.Raw(ProcessKey.Length));
        if (_endpoints.TryFind<PortEndpoint>(key, out _))
            Answer(origin, null, reply);
        else
            _ports.Open(key, request.Int32(), error => Answer(origin, error, reply));
    }

    private void Greet(RequestOrigin origin, HandshakeRequest handshake, WireWriter reply)
    {
        _handshake.Apply(handshake);
        _sandboxId = handshake.SandboxId;
        _processes.Environment = handshake.Environment;
        _hooks.Run(_hooks.Find(), handshake, error =>
            Answer(origin, error is null ? null : new AgentError(AgentErrorCode.FailedPrecondition, error), reply));
    }

    private void Freeze()
    {
        _handshake.Rehearse();
        _hooks.Find();
        GC.Collect();
        Libc.Sync();
    }

    private void WriteFacts(WireWriter writer)
    {
        writer.Text("0.1.0").Text(_bootId).Number((ulong)Environment.TickCount64).Text(_sandboxId);
    }

    private void Answer(RequestOrigin origin, Exception? error, WireWriter reply)
    {
        if (error is null)
            _session.Answer(origin, MessageType.Ok, reply.Written);
        else
            Refuse(origin, error);
    }

    private void Refuse(RequestOrigin origin, Exception reason)
    {
        var (code, errno, message) = reason is AgentError error
            ? (error.Code, error.Errno, error.Message)
            : (AgentErrorCode.Internal, 0, $"{reason.GetType().Name}: {reason.Message}");
        _session.Answer(origin, MessageType.Error, new WireWriter().Number((int)code).Number(errno).Text(message).Written);
    }
}
