using System.IO.Pipelines;
using Mitos.Engine.Agent;

namespace Mitos.Server.E2B.Envd.Files;

/// <summary>A file of a guest for reading on from one place, which is chosen before the first read. Reads ahead.</summary>
internal sealed class GuestFileStream(EnvdCall call, GuestFile file, string user) : Stream
{
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 256 << 10, resumeWriterThreshold: 128 << 10, useSynchronizationContext: false));
    private readonly CancellationTokenSource _closing = CancellationTokenSource.CreateLinkedTokenSource(call.Ended);
    private Task? _reading;
    private long _position;
    private bool _disposed;

    public override bool CanRead => true;

    public override bool CanSeek => _reading is null;

    public override bool CanWrite => false;

    public override long Length => file.Size;

    public override long Position
    {
        get => _position;
        set => _position = CanSeek ? value : throw new InvalidOperationException("The file is being read already.");
    }

    public override long Seek(long offset, SeekOrigin origin) => Position = offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => Position,
        _ => Length,
    };

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _reading ??= ReadAheadAsync();
        var count = await _pipe.Reader.AsStream(leaveOpen: true).ReadAsync(buffer, cancellationToken);
        _position += count;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask DisposeAsync()
    {
        if (_disposed)
            return; // those that send it do so more than once
        _disposed = true;
        await _closing.CancelAsync();
        await _pipe.Reader.CompleteAsync();
        if (_reading is { } reading)
            await reading;
        _closing.Dispose();
        await base.DisposeAsync();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    // What goes wrong the reader sees.
    private async Task ReadAheadAsync()
    {
        Exception? failure = null;
        try
        {
            await call.Files.ReadAsync(file.Path, _pipe.Writer.AsStream(leaveOpen: true), user, _closing.Token, _position, file.Size - _position);
        }
        catch (Exception e)
        {
            failure = e;
        }
        await _pipe.Writer.CompleteAsync(failure);
    }
}
