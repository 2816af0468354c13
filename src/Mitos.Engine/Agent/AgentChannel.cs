using System.Threading.Channels;
using Mitos.Engine.Observability;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>
/// Output by offset and input by offset of something in a guest: a process, or a stream to a port. Output that the consumer has
/// not taken is not acknowledged, so a slow consumer slows the other side down and nothing piles up here.
/// </summary>
internal sealed class AgentChannel : ISubscriber, IAsyncDisposable
{
    /// <summary>More than the rings of both outputs can hold: what comes beyond it was never allowed.</summary>
    private const int MaxBuffered = 1 << 20;

    /// <summary>A good part of a ring.</summary>
    private const int PromptAfter = 48 << 10;

    /// <summary>Offset of what comes next.</summary>
    public const ulong FromNow = ulong.MaxValue;

    private readonly AgentConnection _connection;
    private readonly uint _id;
    private readonly Channel<ProcessEvent> _events = Channel.CreateUnbounded<ProcessEvent>(new() { SingleReader = true });
    private readonly TaskCompletionSource<ProcessExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AgentInput _input;
    private readonly ulong[] _received, _taken, _said = new ulong[2];
    private long _buffered;
    private int _disposed;

    private AgentChannel(AgentConnection connection, ProcessKey key, ulong stdoutFrom, ulong stderrFrom)
    {
        (_connection, Key) = (connection, key);
        _id = connection.NextId();
        _received = [stdoutFrom, stderrFrom];
        _taken = [stdoutFrom, stderrFrom];
        _input = new AgentInput(connection, key);
    }

    public ProcessKey Key { get; }

    public int Pid { get; private set; }

    /// <summary>Completes when all output came and the end; fails when the machine is gone.</summary>
    public Task<ProcessExit> Exit => _exit.Task;

    /// <summary>Output, then the end. One reader, which says <see cref="Take"/>.</summary>
    public ChannelReader<ProcessEvent> Events => _events.Reader;

    MessageType ISubscriber.Type => MessageType.Attach;

    /// <exception cref="AgentException">NotFound, or the machine is gone.</exception>
    public static async Task<AgentChannel> AttachAsync(AgentConnection connection, ProcessKey key, ulong stdoutFrom, ulong stderrFrom, CancellationToken cancellationToken)
    {
        var channel = new AgentChannel(connection, key, stdoutFrom, stderrFrom);
        connection.Subscribe(channel._id, channel);
        EngineMeter.Opened();
        try
        {
            var attach = ((ISubscriber)channel).Subscribe();
            var answer = await connection.RequestAsync(MessageType.Attach, writer => writer.Raw(attach), cancellationToken, channel._id);
            if (!channel.ReadAnswer(answer))
                throw connection.Malformed(MessageType.Attach);
            return channel;
        }
        catch
        {
            await channel.DisposeAsync();
            throw;
        }
    }

    /// <summary>The consumer has taken an event: the guest may send more.</summary>
    public void Take(ProcessEvent taken)
    {
        if (taken.Bytes.Length == 0)
            return;
        var end = taken.Offset + (ulong)taken.Bytes.Length;
        Volatile.Write(ref _taken[(int)taken.Stream - 1], end);
        Interlocked.Add(ref _buffered, -taken.Bytes.Length);
        // A little of it can wait for company; a guest that may soon run out of room hears at once.
        var held = end - _said[(int)taken.Stream - 1] < PromptAfter;
        if (!held)
            _said[(int)taken.Stream - 1] = end;
        _connection.Post(_id, MessageType.Ack, new WireWriter().Number((int)taken.Stream).Number(end), held);
    }

    /// <inheritdoc cref="AgentInput.WriteAsync"/>
    public Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _input.WriteAsync(bytes, cancellationToken);

    /// <inheritdoc cref="AgentInput.CloseAsync"/>
    public Task CloseInputAsync(CancellationToken cancellationToken) => _input.CloseAsync(cancellationToken);

    /// <summary>Takes no more output. The other side lives on.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return ValueTask.CompletedTask;
        EngineMeter.Closed();
        _connection.Unsubscribe(_id);
        _input.Dispose();
        _events.Writer.TryComplete();
        _connection.Post(_connection.NextId(), MessageType.Detach, new WireWriter().Number((int)_id));
        return ValueTask.CompletedTask;
    }

    byte[] ISubscriber.Subscribe()
    {
        var writer = new WireWriter();
        Key.Write(writer);
        return writer.Number(_received[0]).Number(_received[1]).Number(Volatile.Read(ref _taken[0])).Number(Volatile.Read(ref _taken[1])).Written.ToArray();
    }

    void ISubscriber.OnReconnected()
    {
        // the subscription says where to go on
    }

    bool ISubscriber.OnFrame(MessageType type, byte[] payload) => type == MessageType.Exited ? OnExited(payload) : OnOutput(payload);

    void ISubscriber.OnLost(AgentException reason)
    {
        _exit.TrySetException(reason);
        _ = _exit.Task.Exception; // seen: a consumer may only read the events
        _events.Writer.TryComplete(reason);
    }

    private bool ReadAnswer(byte[] answer)
    {
        var reader = new WireReader(answer);
        Pid = reader.Int32();
        var begins = (Stdout: reader.Number(), Stderr: reader.Number());
        _input.Knows(reader.Number());
        BeginAt(0, begins.Stdout);
        BeginAt(1, begins.Stderr);
        return !reader.Failed;
    }

    // What came before the attachment is not ours to count. Its first output may be here before its answer is read.
    private void BeginAt(int index, ulong offset)
    {
        Interlocked.CompareExchange(ref _taken[index], offset, FromNow);
        Interlocked.CompareExchange(ref _received[index], offset, FromNow);
    }

    private bool OnOutput(byte[] payload)
    {
        var reader = new WireReader(payload);
        var index = reader.Int32() - 1;
        var offset = reader.Number();
        var count = reader.Rest().Length;
        if (reader.Failed || index is < 0 or > 1 || count == 0 || offset > ulong.MaxValue - (ulong)count)
            return false;
        BeginAt(index, offset);
        // Sent again after a reconnect: what we have is skipped.
        var skip = _received[index] > offset ? (int)Math.Min((ulong)count, _received[index] - offset) : 0;
        if (skip == count)
            return true;
        if (Interlocked.Add(ref _buffered, count - skip) > MaxBuffered)
            return false;
        _received[index] = offset + (ulong)count;
        _events.Writer.TryWrite(new ProcessEvent((OutputStream)(index + 1), offset + (ulong)skip, payload.AsMemory(payload.Length - count + skip), null));
        return true;
    }

    private bool OnExited(byte[] payload)
    {
        var reader = new WireReader(payload);
        var exit = new ProcessExit(reader.Int32(), reader.Int32());
        if (reader.Failed)
            return false;
        if (_exit.TrySetResult(exit))
        {
            _events.Writer.TryWrite(new ProcessEvent(OutputStream.Stdout, 0, default, exit));
            _events.Writer.TryComplete();
        }
        return true;
    }
}
