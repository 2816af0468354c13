using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Sessions;

/// <summary>
/// The current connection with the host: finds frames, answers the greeting, drops what belongs to another session, and keeps
/// the answers to the last changing requests, so that one that is sent again after a reconnect is not done twice.
/// </summary>
internal sealed class Session
{
    private const int KeptAnswers = 64;
    private readonly Outbox _outbox;
    private readonly FrameReader _reader = new();
    private readonly FrameWriter _writer = new();
    private readonly Dictionary<uint, (MessageType Type, byte[] Payload)> _answers = [];
    private readonly Queue<uint> _answerOrder = new();
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
            Drained?.Invoke();
        };
    }

    /// <summary>Takes one request.</summary>
    public delegate void RequestHandler(uint id, MessageType type, WireReader payload);

    public RequestHandler? Requested { get; set; }

    /// <summary>The stream broke; the same host may come back.</summary>
    public Action? Broken { get; set; }

    /// <summary>Another host has come.</summary>
    public Action? Replaced { get; set; }

    /// <summary>Room to send more output.</summary>
    public Action? Drained { get; set; }

    /// <summary>Writes the facts that answer a greeting.</summary>
    public Action<WireWriter>? WriteFacts { get; set; }

    public bool IsOpen => _session != 0;

    /// <summary>Whether output should wait until the host has taken what was sent.</summary>
    public bool IsCongested => _outbox.Length > 64 << 10;

    /// <summary>Identifies the connection, for answers that come later.</summary>
    public ulong Current => _session;

    public WireWriter Begin() => _writer.Begin();

    /// <summary>Sends what was written since <see cref="Begin"/>.</summary>
    public void Send(uint id, MessageType type) => _outbox.Add(_writer.Finish(_session, id, type));

    /// <summary>Sends an answer and keeps it, when its request changed something.</summary>
    public void Answer(ulong session, uint id, MessageType type, ReadOnlySpan<byte> payload, bool keep)
    {
        if (keep)
            Keep(id, type, payload);
        if (session != _session || !IsOpen)
            return;
        Begin().Raw(payload);
        Send(id, type);
    }

    private void Keep(uint id, MessageType type, ReadOnlySpan<byte> payload)
    {
        if (_answers.TryAdd(id, (type, payload.ToArray())))
            _answerOrder.Enqueue(id);
        if (_answerOrder.Count > KeptAnswers)
            _answers.Remove(_answerOrder.Dequeue());
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
        if (_answers.TryGetValue(frame.Id, out var answer))
            Answer(_session, frame.Id, answer.Type, answer.Payload, keep: false);
        else
            Requested?.Invoke(frame.Id, frame.Type, new WireReader(frame.Payload));
    }

    private void Open(in Frame frame)
    {
        var hello = new WireReader(frame.Payload);
        var version = hello.Number();
        var client = ProcessKey.Read(hello.Raw(ProcessKey.Length)).Value;
        if (hello.Failed)
            return;
        Break();
        if (client != _client)
        {
            _answers.Clear();
            _answerOrder.Clear();
            Replaced?.Invoke();
        }
        _client = client;
        _session = frame.Session;
        _outbox.Add([0]); // whatever was cut off before ends here
        if (version != Protocol.ProtocolVersion.Current)
        {
            Begin().Number((int)AgentErrorCode.Unsupported).Number(0)
                .Text($"The host speaks protocol {version}, this guest's agent {Protocol.ProtocolVersion.Current}");
            Send(frame.Id, MessageType.Error);
            _session = 0;
            return;
        }
        var facts = Begin();
        facts.Number(Protocol.ProtocolVersion.Current);
        WriteFacts?.Invoke(facts);
        Send(frame.Id, MessageType.HelloAck);
    }

    private void Break()
    {
        _outbox.Clear();
        _session = 0;
        Broken?.Invoke();
    }
}
