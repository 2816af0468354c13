using Mitos.Protocol;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Sessions;

/// <summary>
/// The current connection with the host: finds frames, answers the greeting, drops what belongs to another session, and sees
/// to it that a request that is sent again after a reconnect is not done twice.
/// </summary>
internal sealed class Session
{
    /// <summary>Longest payload of one frame of an answer; the rest follows in further frames.</summary>
    private const int MaxPart = 32 << 10;
    private const int CongestedAt = 64 << 10;
    private readonly Outbox _outbox;
    private readonly FrameReader _reader = new();
    private readonly FrameWriter _writer = new();
    private readonly AnswerCache _answers = new();
    private readonly FrameReader.Handler _onFrame;
    private UInt128 _client;
    private ulong _session;

    public Session(ITransport transport)
    {
        _outbox = new Outbox(transport);
        _onFrame = OnFrame;
        transport.Received = bytes => _reader.Push(bytes, _onFrame);
        transport.Broken = Break;
        transport.Writable = () =>
        {
            _outbox.Flush();
            if (IsOpen && !IsCongested)
                Drained?.Invoke();
        };
    }

    /// <summary>Takes one request.</summary>
    public delegate void RequestHandler(RequestOrigin origin, WireReader payload);

    public RequestHandler? Requested { get; set; }

    /// <summary>The connection is gone. The same client may come back.</summary>
    public event Action? Broken;

    /// <summary>Another client came than the one before: what that one wanted is of no use any more.</summary>
    public event Action? ClientChanged;

    /// <summary>There is room to send.</summary>
    public event Action? Drained;

    /// <summary>Writes the facts that answer a greeting.</summary>
    public Action<WireWriter>? WriteFacts { get; set; }

    public bool IsOpen => _session != 0;

    /// <summary>Whether output should wait until the host has taken what was sent.</summary>
    public bool IsCongested => _outbox.Length > CongestedAt;

    /// <summary>Nothing more will be said for now: what was goes out.</summary>
    public void Flush() => _outbox.Flush();

    public WireWriter Begin() => _writer.Begin();

    /// <summary>Sends what was written since <see cref="Begin"/>, at the latest with <see cref="Flush"/>.</summary>
    public void Send(uint id, MessageType type) => _outbox.Add(_writer.Finish(_session, id, type));

    /// <summary>Answers a request, unless its client is gone; then there is nobody to answer.</summary>
    public void Answer(RequestOrigin origin, MessageType type, ReadOnlySpan<byte> payload)
    {
        if (origin.Client != _client)
            return;
        if (origin.IsDoneOnce)
            _answers.Keep(origin.Id, type, payload);
        // One that is done once may have been asked for again by this connection; others were, and run anew.
        if (IsOpen && (origin.IsDoneOnce || origin.Session == _session))
            Send(origin.Id, type, payload);
    }

    private void Send(uint id, MessageType type, ReadOnlySpan<byte> payload)
    {
        for (; payload.Length > MaxPart; payload = payload[MaxPart..])
        {
            Begin().Raw(payload[..MaxPart]);
            Send(id, MessageType.Part);
        }
        Begin().Raw(payload);
        Send(id, type);
    }

    private void OnFrame(in Frame frame)
    {
        if (frame.Type == MessageType.Hello)
        {
            Open(frame);
            return;
        }
        if (frame.Session != _session || !IsOpen)
            return;
        var origin = new RequestOrigin(_client, _session, frame.Id, frame.Type);
        if (origin.IsDoneOnce && _answers.TryGet(frame.Id, out var answer))
            Send(frame.Id, answer.Type, answer.Payload);
        else if (!origin.IsDoneOnce || _answers.TryBegin(frame.Id))
            Requested?.Invoke(origin, new WireReader(frame.Payload));
    }

    private void Open(in Frame frame)
    {
        var hello = new WireReader(frame.Payload);
        var version = hello.Number();
        var client = ProcessKey.Read(hello.Raw(ProcessKey.Length)).Value;
        if (hello.Failed || frame.Session == 0)
            return;
        Break();
        if (client != _client)
        {
            _answers.Clear();
            ClientChanged?.Invoke();
        }
        _client = client;
        _session = frame.Session;
        _outbox.Add([0]); // whatever was cut off before ends here
        if (version != ProtocolVersion.Current)
        {
            Begin().Number((int)AgentErrorCode.Unsupported).Number(0)
                .Text($"The host speaks protocol {version}, this guest's agent {ProtocolVersion.Current}; build the template anew with this host's version");
            Send(frame.Id, MessageType.Error);
            _session = 0;
            return;
        }
        var facts = Begin();
        facts.Number(ProtocolVersion.Current);
        WriteFacts?.Invoke(facts);
        Send(frame.Id, MessageType.HelloAck);
    }

    private void Break()
    {
        _outbox.Clear();
        if (_session == 0)
            return;
        _session = 0;
        Broken?.Invoke();
    }
}
