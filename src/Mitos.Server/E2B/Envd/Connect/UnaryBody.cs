using System.Buffers;
using System.IO.Compression;
using Google.Protobuf;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>The bodies of calls with one message each way, which may be compressed as any body of HTTP.</summary>
internal static class UnaryBody
{
    public const int Max = 8 << 20;
    private const int WorthCompressing = 1 << 10, Piece = 16 << 10;

    /// <exception cref="ConnectException">It is too long, or compressed in a way that is not known.</exception>
    public static async Task<byte[]> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var encoding = request.Headers.ContentEncoding.ToString();
        using var unpacked = encoding.ToLowerInvariant() switch
        {
            "" or "identity" => null,
            "gzip" => new GZipStream(request.Body, CompressionMode.Decompress, leaveOpen: true),
            _ => throw new ConnectException("unimplemented", $"the compression '{encoding}' is not known; use gzip, or none"),
        };
        var source = unpacked ?? request.Body;
        var body = new ArrayBufferWriter<byte>();
        int got;
        while ((got = await source.ReadAsync(body.GetMemory(Piece), cancellationToken)) > 0)
        {
            body.Advance(got);
            if (body.WrittenCount > Max)
                throw new ConnectException("resource_exhausted", $"the request is longer than {Max} bytes");
        }
        return body.WrittenSpan.ToArray();
    }

    public static async Task WriteAsync(HttpContext context, MessageCodec codec, IMessage message)
    {
        var body = new ArrayBufferWriter<byte>();
        codec.Write(message, body);
        var response = context.Response;
        response.ContentType = codec.UnaryType;
        if (body.WrittenCount < WorthCompressing || ContentCoding.Accepted(context.Request) != ContentCoding.Gzip)
        {
            response.ContentLength = body.WrittenCount;
            await response.BodyWriter.WriteAsync(body.WrittenMemory, context.RequestAborted);
            return;
        }
        response.Headers.ContentEncoding = ContentCoding.Gzip;
        await using var packed = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
        await packed.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }
}
