using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>
/// A process in a guest whose output this host takes. Output that the consumer has not taken is not acknowledged, so a slow
/// consumer slows the process down and nothing piles up here.
/// </summary>
public sealed class AgentProcess : IAsyncDisposable
{
    private const int MaxBuffered = 1 << 20;
    private readonly AgentConnection _connection;
    private readonly Channel<ProcessEvent> _events = Channel.CreateUnbounded<ProcessEvent>(new() { SingleReader = true });
    private readonly TaskCompletionSource<ProcessExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _input = new(1);
    private readonly ulong[] _received = new ulong[3];
    private long _buffered;
    private ulong _inputOffset;

    internal AgentProcess(AgentConnection connection, uint subscription, ProcessKey key, ulong stdoutFrom, ulong stderrFrom)
    {
        _connection = connection;
        Subscription = subscription;
        Key = key;
        _received[(int)OutputStream.Stdout] = stdoutFrom;
        _received[(int)OutputStream.Stderr] = stderrFrom;
    }

    public ProcessKey Key { get; }

    public int Pid { get; internal set; }

    /// <summary>Completes when the process has ended and all its output came; fails when the machine is gone.</summary>
    public Task<ProcessExit> Exit => _exit.Task;

    internal uint Subscription { get; }

    /// <summary>All output from here on, then the end. One consumer.</summary>
    /// <exception cref="AgentException">The machine is gone.</exception>
    public async IAsyncEnumerable<ProcessEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var next in _events.Reader.ReadAllAsync(cancellationToken))
        {
            yield return next;
            if (next.Bytes.Length == 0)
                continue;
            Interlocked.Add(ref _buffered, -next.Bytes.Length);
            var ack = new WireWriter().Number((int)next.Stream).Number(next.Offset + (ulong)next.Bytes.Length);
            await _connection.SendAsync(Subscription, MessageType.Ack, ack.Written.ToArray());
        }
    }

    /// <summary>Writes input; completes when the guest has room for more.</summary>
    /// <exception cref="AgentException">FailedPrecondition: its input is closed.</exception>
    public async Task WriteStdinAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        const int Chunk = 32 << 10;
        await _input.WaitAsync(cancellationToken);
        try
        {
            for (; bytes.Length > 0; bytes = bytes[Math.Min(Chunk, bytes.Length)..])
            {
                var part = bytes[..Math.Min(Chunk, bytes.Length)];
                var offset = _inputOffset;
                _inputOffset += (ulong)part.Length;
                await _connection.RequestAsync(MessageType.Stdin, writer =>
                {
                    Key.Write(writer);
                    writer.Number(offset).Raw(part.Span);
                }, cancellationToken);
            }
        }
        finally
        {
            _input.Release();
        }
    }

    /// <summary>The process reads the end of its input.</summary>
    public Task CloseStdinAsync(CancellationToken cancellationToken) => _connection.RequestAsync(MessageType.CloseStdin, Key.Write, cancellationToken);

    /// <param name="signal">Number, 1 to 64.</param>
    /// <param name="group">To the whole process group.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="AgentException">FailedPrecondition: it has ended.</exception>
    public Task SignalAsync(int signal, bool group, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Signal, writer =>
        {
            Key.Write(writer);
            writer.Number(signal).Flag(group);
        }, cancellationToken);

    public Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken) =>
        _connection.RequestAsync(MessageType.Resize, writer =>
        {
            Key.Write(writer);
            writer.Number(size.Rows).Number(size.Columns);
        }, cancellationToken);

    /// <summary>Takes no more output. The process lives on.</summary>
    public async ValueTask DisposeAsync()
    {
        _connection.Unsubscribe(Subscription);
        _events.Writer.TryComplete();
        await _connection.SendAsync(_connection.NextId(), MessageType.Detach, new WireWriter().Number((int)Subscription).Written.ToArray());
        _input.Dispose();
    }

    internal byte[] AttachPayload()
    {
        var writer = new WireWriter();
        Key.Write(writer);
        return writer.Number(_received[(int)OutputStream.Stdout]).Number(_received[(int)OutputStream.Stderr]).Written.ToArray();
    }

    internal void OnOutput(byte[] payload)
    {
        var reader = new WireReader(payload);
        var stream = reader.Int32();
        var offset = reader.Number();
        var count = reader.Rest().Length;
        if (reader.Failed || stream is not ((int)OutputStream.Stdout or (int)OutputStream.Stderr) || count == 0)
            return;
        // Sent again after a reconnect: what we have is skipped.
        var skip = _received[stream] > offset ? (int)Math.Min((ulong)count, _received[stream] - offset) : 0;
        if (skip == count || Interlocked.Add(ref _buffered, count - skip) > MaxBuffered)
            return;
        _received[stream] = offset + (ulong)count;
        _events.Writer.TryWrite(new ProcessEvent((OutputStream)stream, offset + (ulong)skip, payload.AsMemory(payload.Length - count + skip), null));
    }

    internal void OnExited(byte[] payload)
    {
        var reader = new WireReader(payload);
        var exit = new ProcessExit(reader.Int32(), reader.Int32());
        if (reader.Failed || !_exit.TrySetResult(exit))
            return;
        _events.Writer.TryWrite(new ProcessEvent(OutputStream.Stdout, 0, default, exit));
        _events.Writer.TryComplete();
    }

    internal void OnLost(AgentException reason)
    {
        _exit.TrySetException(reason);
        _ = _exit.Task.Exception; // seen: a consumer may only read the events
        _events.Writer.TryComplete(reason);
    }
}
