namespace Mitos.Server.Api;

/// <summary>The body of an upload, which may be refused before it came.</summary>
internal sealed class UploadBody(HttpRequest request) : Stream
{
    /// <summary>What is read of a refused body, in bytes. Of a longer one the connection is closed.</summary>
    private const long MaxSkipped = 4L << 30;

    private bool _begun;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>
    /// Reads and drops the rest. Most clients read no answer before they have sent all: they would see a broken connection, and not
    /// why. One that asked whether to send (Expect: 100-continue) is not told to.
    /// </summary>
    public async Task SkipAsync(CancellationToken cancellationToken)
    {
        if (!_begun && request.Headers.Expect.Contains("100-continue", StringComparer.OrdinalIgnoreCase))
            return;
        var buffer = new byte[64 << 10];
        for (long skipped = 0, got = 1; got > 0 && skipped < MaxSkipped; skipped += got)
            got = await ReadAsync(buffer, cancellationToken);
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _begun = true;
        return request.Body.ReadAsync(buffer, cancellationToken);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
