using Mitos.Protocol.Messages;

namespace Mitos.Engine.Agent;

/// <summary>A TCP stream to a port inside a guest. It outlives breaks of the machine's own connection.</summary>
public sealed class AgentPortStream : Stream
{
    private readonly AgentConnection _connection;
    private readonly AgentChannel _channel;
    private readonly string _name;
    private ProcessEvent _current;
    private int _used;
    private int _closed;

    internal AgentPortStream(AgentConnection connection, AgentChannel channel, string name) => (_connection, _channel, _name) = (connection, channel, name);

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Reads what is there, or waits for it. 0: the other side has closed its direction.</summary>
    /// <exception cref="IOException">The stream was reset, or the machine is gone.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            while (_used == _current.Bytes.Length)
            {
                if (!await _channel.Events.WaitToReadAsync(cancellationToken) || !_channel.Events.TryRead(out var next))
                    return 0;
                if (next.Exit is { } end)
                    return end.Code == 0 ? 0 : throw new IOException($"{_name} was reset by the guest (error {end.Code}).");
                (_current, _used) = (next, 0);
            }
        }
        catch (AgentException e)
        {
            throw new IOException(e.Message, e);
        }
        var count = Math.Min(buffer.Length, _current.Bytes.Length - _used);
        _current.Bytes.Slice(_used, count).CopyTo(buffer);
        _used += count;
        if (count > 0 && _used == _current.Bytes.Length)
            _channel.Take(_current);
        return count;
    }

    /// <summary>Writes; completes when the guest has room for more.</summary>
    /// <exception cref="IOException">The other side reads no more, or the machine is gone.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await _channel.WriteAsync(buffer, cancellationToken);
        }
        catch (AgentException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Closes this direction; the other one goes on.</summary>
    public Task CompleteWritesAsync(CancellationToken cancellationToken) => _channel.CloseInputAsync(cancellationToken);

    /// <summary>Breaks the stream off: the other side gets a reset instead of an end.</summary>
    public ValueTask ResetAsync() => CloseAsync(reset: true);

    public override async ValueTask DisposeAsync()
    {
        await CloseAsync(reset: false);
        await base.DisposeAsync();
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer, offset, count).GetAwaiter().GetResult();

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer, offset, count).GetAwaiter().GetResult();

    public override void Flush()
    {
        // nothing is held back
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _ = CloseAsync(reset: false).AsTask();
        base.Dispose(disposing);
    }

    private async ValueTask CloseAsync(bool reset)
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        await _channel.DisposeAsync();
        // A request, so that it is sent again after a break: nobody else would ever close the guest's side. Not awaited: the guest may be stuck.
        _ = _connection.RequestAsync(MessageType.ClosePort, writer =>
        {
            _channel.Key.Write(writer);
            writer.Flag(reset);
        }, CancellationToken.None).ContinueWith(closed => _ = closed.Exception, TaskScheduler.Default);
    }
}
