using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace Mitos.Server.E2B.Envd;

/// <summary>A streaming call of the Connect protocol with JSON: frames of a flag byte, a length and a message, each sent at once.</summary>
internal sealed class ConnectStream(HttpContext context)
{
    public const string ContentType = "application/connect+json";
    private const int Header = 5, EndFlag = 2, MaxRequest = 4 << 20;
    private readonly ArrayBufferWriter<byte> _frame = new();

    /// <summary>The request: one frame.</summary>
    /// <exception cref="ConnectException">invalid_argument.</exception>
    public async Task<JsonElement> ReadRequestAsync() =>
        await ReadAsync() ?? throw ConnectException.Invalid("the request has no message");

    /// <summary>The next message of the client; null: there is no more.</summary>
    /// <exception cref="ConnectException">invalid_argument.</exception>
    public async Task<JsonElement?> ReadAsync()
    {
        var header = new byte[Header];
        var got = await context.Request.Body.ReadAtLeastAsync(header, Header, throwOnEndOfStream: false, context.RequestAborted);
        if (got == 0)
            return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(1));
        if (got < Header || header[0] != 0 || length > MaxRequest)
            throw ConnectException.Invalid("the message is no frame, is compressed, or is larger than 4 MiB");
        var message = new byte[length];
        await context.Request.Body.ReadExactlyAsync(message, context.RequestAborted);
        return JsonSerializer.Deserialize(message, E2BJson.Default.JsonElement);
    }

    public Task StartAsync()
    {
        context.Response.StatusCode = StatusCodes.Status200OK;
        context.Response.ContentType = ContentType;
        return context.Response.StartAsync(context.RequestAborted);
    }

    public Task SendAsync(Action<Utf8JsonWriter> write) => SendAsync(0, write);

    /// <summary>The last frame.</summary>
    public Task EndAsync(ConnectException? error = null) => SendAsync(EndFlag, writer =>
    {
        writer.WriteStartObject();
        if (error is not null)
        {
            writer.WriteStartObject("error");
            writer.WriteString("code", error.Code);
            writer.WriteString("message", error.Message);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    });

    private async Task SendAsync(byte flag, Action<Utf8JsonWriter> write)
    {
        _frame.ResetWrittenCount();
        _frame.Write(stackalloc byte[Header]);
        using (var writer = new Utf8JsonWriter(_frame))
            write(writer);
        var bytes = System.Runtime.InteropServices.MemoryMarshal.AsMemory(_frame.WrittenMemory);
        bytes.Span[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.Span[1..], (uint)(bytes.Length - Header));
        await context.Response.BodyWriter.WriteAsync(bytes, context.RequestAborted); // flushes
    }
}
