using Mitos.Guest.Files;
using Mitos.Guest.Forks;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest;

/// <summary>Answers the host's requests. All of it runs on the loop's thread, but for file operations.</summary>
internal sealed class Agent
{
    private readonly EventLoop _loop;
    private readonly Session _session;
    private readonly ProcessTable _processes;
    private readonly FileWorker _files = new();
    private readonly string _root;
    private string _sandboxId = "";

    /// <param name="loop">Runs it.</param>
    /// <param name="transport">To the host.</param>
    /// <param name="root">See <see cref="Handshake.Apply"/>.</param>
    public Agent(EventLoop loop, ITransport transport, string root)
    {
        _loop = loop;
        _root = root;
        _session = new Session(transport);
        _processes = new ProcessTable(loop, _session);
        _session.Requested = OnRequest;
        _session.Broken = _processes.OnBroken;
        _session.Replaced = _processes.ReleaseAll;
        _session.Drained = _processes.SendOutput;
        _session.WriteFacts = WriteFacts;
    }

    private static bool Changes(MessageType type) =>
        type is MessageType.CommitFile or MessageType.Move or MessageType.Remove or MessageType.MakeDirectory or MessageType.Signal or MessageType.Handshake;

    private void OnRequest(uint id, MessageType type, WireReader request)
    {
        var session = _session.Current;
        if (type is >= MessageType.Stat and <= MessageType.Remove)
        {
            var copy = request.Rest().ToArray();
            _files.Run(() =>
            {
                var reply = new WireWriter();
                var answer = Try(() => FileOperations.Run(type, new WireReader(copy), reply), reply);
                _loop.Post(() => _session.Answer(session, id, answer, reply.Written, Changes(type)));
            });
            return;
        }
        try
        {
            if (Handle(id, type, ref request) is { } reply)
                _session.Answer(session, id, MessageType.Ok, reply.Written, Changes(type));
        }
        catch (Exception e)
        {
            var reply = new WireWriter();
            WriteError(reply, e);
            _session.Answer(session, id, MessageType.Error, reply.Written, Changes(type));
        }
    }

    // Null: the answer is sent later, or there is none.
    private WireWriter? Handle(uint id, MessageType type, ref WireReader request)
    {
        var reply = new WireWriter();
        switch (type)
        {
            case MessageType.Ping:
                return reply;
            case MessageType.Start:
                return reply.Number(_processes.Start(StartRequest.Read(ref request)).Pid);
            case MessageType.Attach:
                _processes.Attach(id, ref request, reply);
                return null;
            case MessageType.Detach:
                _processes.Detach((uint)request.Int32());
                return reply;
            case MessageType.Ack:
                _processes.Acknowledge(id, (OutputStream)request.Int32(), request.Number());
                return null;
            case MessageType.Stdin:
                var session = _session.Current;
                _processes.Find(ref request).Input(request.Number(), request.Rest(), accepted =>
                    _session.Answer(session, id, MessageType.Ok, new WireWriter().Number(accepted).Written, keep: false));
                return null;
            case MessageType.CloseStdin:
                _processes.Find(ref request).CloseInput();
                return reply;
            case MessageType.Signal:
                _processes.Find(ref request).Signal(request.Int32(), request.Flag());
                return reply;
            case MessageType.Resize:
                _processes.Find(ref request).Resize(request.Int32(), request.Int32());
                return reply;
            case MessageType.ListProcesses:
                _processes.Write(reply);
                return reply;
            case MessageType.Forget:
                _processes.Forget(_processes.Find(ref request));
                return reply;
            case MessageType.Metrics:
                SystemFacts.Metrics.Write(reply);
                return reply;
            case MessageType.Handshake:
                return Greet(id, HandshakeRequest.Read(ref request), reply);
            case MessageType.Freeze:
                Freeze();
                return reply;
            case MessageType.Sync:
                Libc.Sync();
                return reply;
            case MessageType.PowerOff:
                _loop.After(10, Boot.PowerOff.Now); // the answer goes first
                return reply;
            case MessageType.ConfigureNetwork:
                Boot.Network.Configure(request.Text());
                return reply;
            default:
                throw new AgentError(AgentErrorCode.Unsupported, $"This agent does not know the request {(int)type}");
        }
    }

    private WireWriter? Greet(uint id, HandshakeRequest handshake, WireWriter reply)
    {
        Handshake.Apply(handshake, _root);
        _sandboxId = handshake.SandboxId;
        _processes.Environment = handshake.Environment;
        var hooks = ForkHooks.Find(_root);
        if (hooks.Length == 0)
            return reply;
        var session = _session.Current;
        _processes.RunHooks(hooks, handshake, error =>
        {
            if (error is not null)
                WriteError(reply, new AgentError(AgentErrorCode.FailedPrecondition, error));
            _session.Answer(session, id, error is null ? MessageType.Ok : MessageType.Error, reply.Written, keep: true);
        });
        return null;
    }

    // Walks through what every child will do first, so that its code and pages are in the generation and shared.
    private void Freeze()
    {
        Libc.Sync();
        _ = ForkHooks.Find(_root);
        GC.Collect();
    }

    private void WriteFacts(WireWriter writer)
    {
        var bootId = File.Exists("/proc/sys/kernel/random/boot_id") ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim() : "";
        writer.Text("0.1.0").Text(bootId).Number((ulong)Environment.TickCount64).Text(_sandboxId);
    }

    private static MessageType Try(Action action, WireWriter reply)
    {
        try
        {
            action();
            return MessageType.Ok;
        }
        catch (Exception e)
        {
            reply.Clear();
            WriteError(reply, e);
            return MessageType.Error;
        }
    }

    private static void WriteError(WireWriter reply, Exception e)
    {
        if (e is AgentError error)
            reply.Number((int)error.Code).Number(error.Errno).Text(error.Message);
        else
            reply.Number((int)AgentErrorCode.Internal).Number(0).Text($"{e.GetType().Name}: {e.Message}");
    }
}
