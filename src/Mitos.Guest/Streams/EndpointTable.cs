using Mitos.Guest.Loop;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Streams;

/// <summary>Endpoints by key, the hosts' subscriptions to them, and the sending of their output.</summary>
internal sealed class EndpointTable
{
    /// <summary>How long a subscription outlives its connection, so that a host that comes back misses nothing.</summary>
    public const int GraceMs = 10_000;
    private const int MaxChunk = 16 << 10;
    private readonly EventLoop _loop;
    private readonly Session _session;
    private readonly Dictionary<ProcessKey, Endpoint> _byKey = [];
    private readonly Dictionary<uint, Subscription> _subscriptions = [];
    private readonly byte[] _chunk = new byte[MaxChunk];
    private LoopTimer? _grace;

    public EndpointTable(EventLoop loop, Session session)
    {
        (_loop, _session) = (loop, session);
        session.Broken += OnBroken;
        session.ClientChanged += () => Unsubscribe(_ => true);
        session.Drained += SendAll;
    }

    public void Add(Endpoint endpoint) => _byKey.Add(endpoint.Key, endpoint);

    public void Remove(Endpoint endpoint)
    {
        _byKey.Remove(endpoint.Key);
        Unsubscribe(subscription => subscription.Endpoint == endpoint);
    }

    public bool TryFind<T>(ProcessKey key, [global::System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out T? endpoint) where T : Endpoint
    {
        endpoint = _byKey.GetValueOrDefault(key) as T;
        return endpoint is not null;
    }

    /// <summary>Finds by the key that a request begins with.</summary>
    /// <exception cref="AgentError">NotFound.</exception>
    public T Find<T>(ref WireReader request) where T : Endpoint
    {
        var key = ProcessKey.Read(request.Raw(ProcessKey.Length));
        return TryFind<T>(key, out var found) ? found : throw new AgentError(AgentErrorCode.NotFound, $"There is no process or stream with the key {key}");
    }

    /// <summary>Makes, or makes anew, the subscription of this id. Answers with pid, offsets where the output begins, and input taken.</summary>
    public WireWriter Attach(uint id, ref WireReader request, WireWriter reply)
    {
        var endpoint = Find<Endpoint>(ref request);
        Detach(id);
        var subscription = new Subscription(id, endpoint);
        endpoint.Subscribe(subscription, [request.Number(), request.Number()], [request.Number(), request.Number()]);
        _subscriptions[id] = subscription;
        return reply.Number(endpoint.Pid).Number(subscription.Sent[0]).Number(subscription.Sent[1]).Number(endpoint.Input?.Accepted ?? 0);
    }

    public void Detach(uint id)
    {
        if (_subscriptions.Remove(id, out var subscription))
            subscription.Endpoint.Unsubscribe(subscription);
    }

    public void Acknowledge(uint id, OutputStream stream, ulong offset)
    {
        if (!_subscriptions.TryGetValue(id, out var subscription))
            return;
        subscription.Endpoint.Acknowledge(subscription, stream, offset);
        Send(subscription.Endpoint);
    }

    /// <summary>Sends what subscribers of an endpoint were not sent, as long as the host takes it.</summary>
    public void Send(Endpoint endpoint)
    {
        foreach (var subscription in endpoint.Subscriptions)
        {
            while (Send(subscription))
            {
            }
        }
    }

    /// <summary>Sends output of all in turn.</summary>
    public void SendAll()
    {
        for (var more = true; more;)
        {
            more = false;
            foreach (var subscription in _subscriptions.Values)
                more |= Send(subscription);
        }
    }

    // True when there may be more to send.
    private bool Send(Subscription subscription)
    {
        if (!_session.IsOpen || _session.IsCongested || subscription.IsLost)
            return false;
        if (subscription.Endpoint.TryTake(subscription, _chunk, out var stream, out var offset, out var count))
        {
            _session.Begin().Number((int)stream).Number(offset).Raw(_chunk.AsSpan(0, count));
            _session.Send(subscription.Id, MessageType.Output);
            return true;
        }
        if (!subscription.EndSent && subscription.Endpoint.TryGetEnd(out var code, out var signal))
        {
            subscription.EndSent = true;
            _session.Begin().Number(code).Number(signal);
            _session.Send(subscription.Id, MessageType.Exited);
        }
        return false;
    }

    private void OnBroken()
    {
        if (_subscriptions.Count == 0)
            return;
        foreach (var subscription in _subscriptions.Values)
            subscription.IsLost = true;
        _grace?.Cancel();
        _grace = _loop.After(GraceMs, () => Unsubscribe(subscription => subscription.IsLost));
    }

    private void Unsubscribe(Predicate<Subscription> which)
    {
        foreach (var subscription in _subscriptions.Values)
        {
            if (which(subscription))
                Detach(subscription.Id); // removing while enumerating is allowed for a Dictionary
        }
    }
}
