namespace Mitos.Guest.Tests;

/// <summary>A stream that breaks after a given number of bytes, in whichever direction they went.</summary>
internal sealed class CuttingStream(Stream inner, int cutAfter) : Stream
{
    private int _left = cutAfter;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var allowed = Volatile.Read(ref _left);
        if (allowed <= 0)
            throw Cut();
        var got = await inner.ReadAsync(buffer[..Math.Min(buffer.Length, allowed)], cancellationToken);
        Interlocked.Add(ref _left, -got);
        return got;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var allowed = Math.Max(0, Volatile.Read(ref _left));
        var part = Math.Min(buffer.Length, allowed);
        await inner.WriteAsync(buffer[..part], cancellationToken); // a part of a frame may have gone out already
        Interlocked.Add(ref _left, -part);
        if (part < buffer.Length)
            throw Cut();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }

    private IOException Cut()
    {
        inner.Dispose();
        return new IOException("cut by the test");
    }
}
