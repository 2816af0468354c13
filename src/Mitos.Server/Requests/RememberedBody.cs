using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Extensions.Options;

namespace Mitos.Server.Requests;

/// <summary>The body of a request, of which the beginning is kept while it is read: for the words in which it is refused.</summary>
internal sealed class RememberedBody(Stream inner) : Stream
{
    private const int Most = 64 << 10;
    private readonly MemoryStream _kept = new();

    /// <summary>Keeps the JSON that a route's handler is given as a record. What is only passed on is not looked at.</summary>
    public static void Watch(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>() is not { RequestType: not null } || !context.Request.HasJsonContentType())
            return;
        var body = new RememberedBody(context.Request.Body);
        context.Request.Body = body;
        context.Features.Set(body);
    }

    /// <summary>What is wrong with the body of a request that could not be read.</summary>
    public static WrongJsonException Explain(HttpContext context, JsonException e)
    {
        var type = context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>()?.RequestType;
        var options = context.RequestServices.GetRequiredService<IOptions<Microsoft.AspNetCore.Http.Json.JsonOptions>>().Value.SerializerOptions;
        var kept = context.Features.Get<RememberedBody>()?._kept;
        return WrongJsonException.Of(e, type is null ? null : options.GetTypeInfo(type), kept is null ? [] : kept.GetBuffer().AsSpan(0, (int)kept.Length));
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var got = await inner.ReadAsync(buffer, cancellationToken);
        _kept.Write(buffer.Span[..Math.Min(got, Most - (int)_kept.Length)]);
        return got;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
