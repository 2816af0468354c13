using System.Collections.Concurrent;
using System.Security.Cryptography;
using Mitos.Protocol;
using Mitos.Protocol.Framing;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>
/// Requests and answers over a stream that may break: it connects again by itself, greets with a new session and sends again
/// what was not answered. Everything that comes is taken as hostile; what makes no sense is dropped.
/// </summary>
internal sealed class AgentConnection : IAsyncDisposable
{
    private static readonly TimeSpan GreetingLimit = TimeSpan.FromSeconds(5);
    private readonly Func<CancellationToken, ValueTask<Stream>> _connect;
    private readonly string _subject;
    private readonly ProcessKey _client = ProcessKey.New();
    private readonly ConcurrentDictionary<uint, Pending> _pending = new();
    private readonly ConcurrentDictionary<uint, AgentProcess> _subscriptions = new();
    private readonly SemaphoreSlim _writing = new(1);
    private readonly FrameWriter _writer = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<AgentFacts> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _starting = new();
    private Task? _run;
    private Stream? _stream;
    private ulong _session;
    private uint _lastId;
    private Exception? _failure;

    public AgentConnection(Func<CancellationToken, ValueTask<Stream>> connect, string subject)
    {
        _connect = connect;
        _subject = subject;
    }

    /// <summary>Connects, if that was not begun before, and waits for the first greeting.</summary>
    public Task<AgentFacts> ConnectAsync(CancellationToken cancellationToken)
    {
        lock (_starting)
            _run ??= Task.Run(RunAsync, CancellationToken.None);
        return _connected.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Sends a request and returns the payload of its answer.</summary>
    /// <exception cref="AgentException">Refused, or the machine is gone.</exception>
    public async Task<byte[]> RequestAsync(MessageType type, Action<WireWriter> write, CancellationToken cancellationToken, uint id = 0)
    {
        var payload = new WireWriter();
        write(payload);
        id = id != 0 ? id : NextId();
        var pending = new Pending(type, payload.Written.ToArray());
        _pending[id] = pending;
        try
        {
            if (_failure is { } failure)
                throw AgentException.Gone(_subject, failure);
            await ConnectAsync(cancellationToken);
            await SendAsync(id, type, pending.Payload);
            return await pending.Answer.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    public uint NextId() => Interlocked.Increment(ref _lastId);

    public void Subscribe(uint id, AgentProcess process) => _subscriptions[id] = process;

    public void Unsubscribe(uint id) => _subscriptions.TryRemove(id, out _);

    /// <summary>Sends without waiting for an answer. What is lost on a break is made good by the next connect.</summary>
    public Task SendAsync(uint id, MessageType type, ReadOnlyMemory<byte> payload) => WriteAsync(id, type, payload, greeting: false);

    /// <summary>The machine has ended: all that waits fails, and stays so.</summary>
    public void Fail(Exception reason)
    {
        _failure ??= reason;
        _ending.Cancel();
        var gone = AgentException.Gone(_subject, reason);
        _connected.TrySetException(gone);
        _ = _connected.Task.Exception;
        foreach (var pending in _pending.Values)
            pending.Answer.TrySetException(gone);
        foreach (var process in _subscriptions.Values)
            process.OnLost(gone);
    }

    public async ValueTask DisposeAsync()
    {
        Fail(new ObjectDisposedException(_subject));
        if (_run is { } run)
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The semaphore and the source stay usable: consumers of processes may still let go of theirs.
    }

    private async Task RunAsync()
    {
        var delay = TimeSpan.Zero;
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                await using var stream = await _connect(_ending.Token);
                await GreetAsync(stream);
                delay = TimeSpan.Zero;
                await ReadAsync(stream);
            }
            catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // broken: again, below
            }
            catch (Exception e)
            {
                Fail(e);
                return;
            }
            _stream = null;
            if (_ending.IsCancellationRequested)
                return;
            await Task.Delay(delay, CancellationToken.None);
            delay = TimeSpan.FromMilliseconds(Math.Min(1000, (delay.TotalMilliseconds * 2) + 5));
        }
    }

    private async Task GreetAsync(Stream stream)
    {
        Interlocked.Exchange(ref _session, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1);
        _stream = stream;
        var hello = new WireWriter().Number(ProtocolVersion.Current);
        _client.Write(hello);
        await WriteAsync(0, MessageType.Hello, hello.Written.ToArray(), greeting: true);
    }

    private async Task ReadAsync(Stream stream)
    {
        var reader = new FrameReader();
        var buffer = new byte[32 << 10];
        var greeted = false;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        limit.CancelAfter(GreetingLimit);
        var frames = new List<(uint Id, MessageType Type, byte[] Payload)>();
        while (true)
        {
            var got = await stream.ReadAsync(buffer, limit.Token);
            if (got == 0)
                return;
            reader.Push(buffer.AsSpan(0, got), (in Frame frame) =>
            {
                if (frame.Session == _session)
                    frames.Add((frame.Id, frame.Type, frame.Payload.ToArray()));
            });
            foreach (var (id, type, payload) in frames)
            {
                if (greeted)
                {
                    OnFrame(id, type, payload);
                }
                else if (type == MessageType.Error && id == 0)
                {
                    throw ReadError(payload);
                }
                else if (type == MessageType.HelloAck)
                {
                    greeted = true;
                    limit.CancelAfter(Timeout.InfiniteTimeSpan);
                    await OnGreetedAsync(payload);
                }
            }
            frames.Clear();
        }
    }

    private async Task OnGreetedAsync(byte[] payload)
    {
        var reader = new WireReader(payload);
        reader.Number();
        var facts = new AgentFacts(reader.Text(), reader.Text(), TimeSpan.FromMilliseconds(reader.Number()), reader.Text());
        var again = !_connected.TrySetResult(facts);
        if (!again)
            return;
        foreach (var (id, process) in _subscriptions)
            await SendAsync(id, MessageType.Attach, process.AttachPayload());
        foreach (var (id, pending) in _pending)
            await SendAsync(id, pending.Type, pending.Payload);
    }

    private void OnFrame(uint id, MessageType type, byte[] payload)
    {
        switch (type)
        {
            case MessageType.Ok when _pending.TryGetValue(id, out var pending):
                pending.Answer.TrySetResult(payload);
                break;
            case MessageType.Error when _pending.TryGetValue(id, out var pending):
                pending.Answer.TrySetException(ReadError(payload));
                break;
            case MessageType.Output when _subscriptions.TryGetValue(id, out var process):
                process.OnOutput(payload);
                break;
            case MessageType.Exited when _subscriptions.TryGetValue(id, out var process):
                process.OnExited(payload);
                break;
        }
    }

    private async Task WriteAsync(uint id, MessageType type, ReadOnlyMemory<byte> payload, bool greeting)
    {
        await _writing.WaitAsync();
        try
        {
            if (_stream is not { } stream)
                return; // sent again after the next greeting
            if (greeting)
                await stream.WriteAsync(new byte[1]);
            _writer.Begin().Raw(payload.Span);
            await stream.WriteAsync(_writer.Finish(_session, id, type).ToArray());
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException && !greeting)
        {
            // the reader sees the break too
        }
        finally
        {
            _writing.Release();
        }
    }

    private AgentException ReadError(byte[] payload)
    {
        var reader = new WireReader(payload);
        var code = (AgentErrorCode)reader.Int32();
        var errno = reader.Int32();
        var text = reader.Text();
        return reader.Failed
            ? new AgentException(AgentErrorCode.Internal, $"The agent of {_subject} sent an error that makes no sense.")
            : new AgentException(code, $"In {_subject}: {(text.Length <= 4096 ? text : text[..4096])}.", errno);
    }

    private sealed record Pending(MessageType Type, byte[] Payload)
    {
        public TaskCompletionSource<byte[]> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
