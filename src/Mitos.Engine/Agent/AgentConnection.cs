using System.Collections.Concurrent;
using System.Net.Sockets;
using Mitos.Engine.Observability;
using Mitos.Protocol;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>
/// Requests and answers over a stream that may break: it connects again by itself, greets with a new session, subscribes again
/// and sends again what was not answered. Everything that comes is taken as hostile.
/// </summary>
internal sealed class AgentConnection(Func<CancellationToken, ValueTask<Stream>> connect, string subject, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan GreetingLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(2), MaxDelay = TimeSpan.FromSeconds(1), MaxDelayWhenGreeted = TimeSpan.FromMilliseconds(50);
    private readonly ProcessKey _client = ProcessKey.New();
    private readonly ConcurrentDictionary<uint, PendingRequest> _pending = new();
    private readonly ConcurrentDictionary<uint, ISubscriber> _subscribers = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<AgentFacts> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _starting = new();
    private Task? _run;
    private volatile AgentLink? _link;
    private volatile AgentException? _failure;
    private uint _lastId;

    public AgentInputs Inputs { get; } = new();

    /// <summary>Connects, if that was not begun before, and waits for the first greeting.</summary>
    public Task<AgentFacts> ConnectAsync(CancellationToken cancellationToken)
    {
        lock (_starting)
            _run ??= Task.Run(RunAsync, CancellationToken.None);
        return _connected.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sends a request and returns the payload of its answer.</summary>
    /// <param name="type">Of the request.</param>
    /// <param name="write">Its payload.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="id">0: a new one.</param>
    /// <param name="held">See <see cref="AgentLink.WriteAsync"/>.</param>
    /// <exception cref="AgentException">Refused, or the machine is gone.</exception>
    public async Task<byte[]> RequestAsync(MessageType type, Action<WireWriter> write, CancellationToken cancellationToken, uint id = 0, bool held = false)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var span = EngineTrace.Ask(type);
        var payload = new WireWriter();
        write(payload);
        if (payload.Written.Length > Frame.MaxPayload)
            throw new AgentException(AgentErrorCode.InvalidArgument, $"A {type} request to {subject} of {payload.Written.Length} bytes is too long; at most {Frame.MaxPayload} are possible.");
        var pending = new PendingRequest(id != 0 ? id : NextId(), type, payload.Written.ToArray());
        _pending[pending.Id] = pending;
        try
        {
            if (_failure is { } failure)
                throw failure;
            await ConnectAsync(cancellationToken);
            if (_link is { } link)
                await SendAsync(link, pending, held).WaitAsync(cancellationToken);
            return await pending.Answer.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _pending.TryRemove(pending.Id, out _);
        }
    }

    public uint NextId() => Interlocked.Increment(ref _lastId);

    public void Subscribe(uint id, ISubscriber subscriber) => _subscribers[id] = subscriber;

    public void Unsubscribe(uint id) => _subscribers.TryRemove(id, out _);

    /// <summary>Sends without waiting for an answer, nor for the sending. What is lost by a break is made good by the next connect.</summary>
    public void Post(uint id, MessageType type, WireWriter payload, bool held = true) => _ = _link?.WriteAsync(id, type, payload.Written.ToArray(), held: held);

    /// <summary>An answer makes no sense: the connection it came by is dropped.</summary>
    public AgentException Malformed(MessageType type)
    {
        Drop();
        return new AgentException(AgentErrorCode.Internal, $"The agent of {subject} sent a {type} that makes no sense; the connection was dropped. Its guest may be compromised: fork or create another.");
    }

    /// <summary>The machine has ended: all that waits fails, and stays so. Of several reasons the first counts.</summary>
    public void Fail(Exception reason)
    {
        var gone = _failure ??= reason as AgentException ?? AgentException.Gone(subject, reason);
        _ending.Cancel();
        _connected.TrySetException(gone);
        _ = _connected.Task.Exception;
        foreach (var pending in _pending.Values)
            pending.Answer.TrySetException(gone);
        foreach (var subscriber in _subscribers.Values)
            subscriber.OnLost(gone);
    }

    public async ValueTask DisposeAsync()
    {
        Fail(AgentException.Gone(subject));
        if (_run is { } run)
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The source stays usable: consumers of processes may still let go of theirs.
    }

    private async Task RunAsync()
    {
        var delay = FirstDelay;
        while (!_ending.IsCancellationRequested)
        {
            var greeted = false;
            try
            {
                await using var link = new AgentLink(await connect(_ending.Token));
                try
                {
                    await ServeAsync(link);
                }
                finally
                {
                    _link = null;
                    greeted = link.IsGreeted;
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // broken: again, below
            }
            catch (Exception e)
            {
                Fail(e);
                return;
            }
            delay = greeted ? Min(delay, MaxDelayWhenGreeted) : delay;
            await Task.Delay(delay, time, _ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = Min(delay * 2, MaxDelay);
        }
    }

    private async Task ServeAsync(AgentLink link)
    {
        var hello = new WireWriter().Number(ProtocolVersion.Current);
        _client.Write(hello);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        limit.CancelAfter(GreetingLimit);
        _ = link.WriteAsync(0, MessageType.Hello, hello.Written.ToArray());
        var reader = new FrameReader();
        var buffer = new byte[32 << 10];
        var frames = new List<(uint Id, MessageType Type, byte[] Payload)>();
        while (true)
        {
            var got = await link.ReadAsync(buffer, limit.Token);
            if (got == 0)
                return;
            reader.Push(buffer.AsSpan(0, got), (in Frame frame) =>
            {
                if (frame.Session == link.Session)
                    frames.Add((frame.Id, frame.Type, frame.Payload.ToArray()));
            });
            foreach (var (id, type, payload) in frames)
            {
                if (link.IsGreeted)
                {
                    OnFrame(id, type, payload);
                }
                else if (type == MessageType.Error && id == 0)
                {
                    throw ReadError(payload);
                }
                else if (type == MessageType.HelloAck)
                {
                    limit.CancelAfter(Timeout.InfiniteTimeSpan);
                    OnGreeted(link, payload);
                }
            }
            frames.Clear();
        }
    }

    private void OnGreeted(AgentLink link, byte[] payload)
    {
        var reader = new WireReader(payload);
        reader.Number();
        var facts = new AgentFacts(reader.Text(), reader.Text(), TimeSpan.FromMilliseconds(Math.Min(reader.Number(), int.MaxValue)), reader.Text());
        if (reader.Failed)
            throw new IOException("a greeting that makes no sense");
        link.IsGreeted = true;
        _link = link; // from here on new requests are sent; those from before follow
        if (!_connected.TrySetResult(facts))
            EngineMeter.Reconnected();
        foreach (var pending in _pending.Values.OrderBy(pending => pending.Id))
            _ = SendAsync(link, pending);
        foreach (var (id, subscriber) in _subscribers)
        {
            if (_pending.ContainsKey(id))
                continue; // not answered yet, and sent above
            subscriber.OnReconnected();
            _ = link.WriteAsync(id, subscriber.Type, subscriber.Subscribe());
        }
    }

    private void OnFrame(uint id, MessageType type, byte[] payload)
    {
        var sense = true;
        switch (type)
        {
            case MessageType.Ok when _pending.TryGetValue(id, out var pending):
                pending.Complete(payload);
                break;
            case MessageType.Part when _pending.TryGetValue(id, out var pending):
                sense = pending.Add(payload);
                break;
            case MessageType.Error when _pending.TryGetValue(id, out var pending):
                pending.Answer.TrySetException(ReadError(payload));
                break;
            case MessageType.Error when _subscribers.TryRemove(id, out var subscriber):
                subscriber.OnLost(ReadError(payload));
                break;
            case MessageType.Output or MessageType.Exited or MessageType.FileEvents when _subscribers.TryGetValue(id, out var subscriber):
                sense = subscriber.OnFrame(type, payload);
                if (!sense && _subscribers.TryRemove(id, out _))
                    subscriber.OnLost(Malformed(type));
                break;
        }
        if (!sense && _pending.TryGetValue(id, out var asked))
            asked.Answer.TrySetException(Malformed(asked.Type));
    }

    // Once per connection, whoever comes first: the request itself, or the greeting that sends all again.
    private static Task SendAsync(AgentLink link, PendingRequest pending, bool held = false) => link.WriteAsync(pending.Id, pending.Type, pending.Payload, () =>
    {
        if (pending.SentBy == link.Session || pending.Answer.Task.IsCompleted)
            return true;
        pending.SentBy = link.Session;
        pending.Restart();
        return false;
    }, held);

    private void Drop() => _ = _link?.DisposeAsync().AsTask();

    private AgentException ReadError(byte[] payload)
    {
        const int MaxText = 4096;
        var reader = new WireReader(payload);
        var code = (AgentErrorCode)reader.Int32();
        var errno = reader.Int32();
        var text = reader.Text();
        return reader.Failed
            ? new AgentException(AgentErrorCode.Internal, $"The agent of {subject} sent an error that makes no sense.")
            : new AgentException(code, $"In {subject}: {(text.Length <= MaxText ? text : text[..MaxText])}.", errno);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
