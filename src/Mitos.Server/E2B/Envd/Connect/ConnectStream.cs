using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Google.Protobuf;
using Mitos.Server.Requests;

namespace Mitos.Server.E2B.Envd.Connect;

/// <summary>A streaming call of the Connect protocol. Every message is sent at once.</summary>
internal sealed class ConnectStream(HttpContext context, MessageCodec codec)
{
    private const int MaxKept = 64 << 10;
    private ArrayBufferWriter<byte> _frame = new();

    /// <summary>The next message of the client; null: there is no more.</summary>
    /// <exception cref="ConnectException">It cannot be understood.</exception>
    public async Task<T?> ReadAsync<T>(CancellationToken cancellationToken)
        where T : class, IMessage<T>, new() => await ConnectFrames.ReadAsync(context.Request.Body, cancellationToken) is { } message ? codec.Read<T>(message) : null;

    public Task StartAsync()
    {
        context.Response.StatusCode = StatusCodes.Status200OK;
        context.Response.ContentType = codec.StreamType;
        return context.Response.StartAsync(context.RequestAborted);
    }

    public Task SendAsync(IMessage message) => SendAsync(0, frame => codec.Write(message, frame));

    /// <summary>Sends what happens, and a sign of life whenever nothing did for a while.</summary>
    /// <param name="events">What happens, until the end.</param>
    /// <param name="send">Sends one of it.</param>
    /// <param name="alive">The sign of life.</param>
    /// <param name="interval">That while.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task SendAllAsync<T>(IAsyncEnumerable<T> events, Func<T, Task> send, IMessage alive, TimeSpan interval, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var source = events.GetAsyncEnumerator(ending.Token);
        var next = source.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                try
                {
                    if (!await next.WaitAsync(interval, ending.Token))
                        return;
                }
                catch (TimeoutException) when (!next.IsFaulted)
                {
                    await SendAsync(alive);
                    continue;
                }
                await send(source.Current);
                next = source.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            await ending.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The last frame, or the only one, which is JSON whatever the messages are.</summary>
    public async Task EndAsync(ConnectException? error = null)
    {
        if (error is not null)
            Refusal.Note(context, error.Code);
        if (!context.Response.HasStarted)
            await StartAsync();
        await SendAsync(ConnectFrames.End, frame =>
        {
            using var writer = new Utf8JsonWriter(frame);
            writer.WriteStartObject();
            if (error is not null)
            {
                writer.WritePropertyName("error");
                error.Write(writer);
            }
            writer.WriteEndObject();
        });
    }

    private async Task SendAsync(byte flags, Action<IBufferWriter<byte>> write)
    {
        if (_frame.Capacity > MaxKept)
            _frame = new ArrayBufferWriter<byte>(); // thousands of streams may be open
        _frame.ResetWrittenCount();
        _frame.Write(stackalloc byte[ConnectFrames.Header]);
        write(_frame);
        var bytes = MemoryMarshal.AsMemory(_frame.WrittenMemory);
        ConnectFrames.Complete(bytes.Span, flags);
        await context.Response.BodyWriter.WriteAsync(bytes, context.RequestAborted); // flushes
    }
}
