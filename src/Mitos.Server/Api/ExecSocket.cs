using System.Net.WebSockets;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Server.Api;

/// <summary>The messages of a stream: text is <see cref="ExecControl"/>, binary a channel byte and bytes. One receiver, any number of senders.</summary>
internal sealed class ExecSocket(WebSocket socket) : IDisposable
{
    /// <summary>Of a text message. Binary ones have no limit: they are passed on in parts.</summary>
    public const int MaxText = 256 << 10;

    private readonly SemaphoreSlim _sending = new(1);
    private readonly byte[] _part = new byte[32 << 10];
    private bool _inside; // a binary message whose end has not come

    /// <summary>The next text message, or part of what was sent to the process's input.</summary>
    /// <returns>Null: the client has closed.</returns>
    /// <exception cref="WebSocketException">It went away.</exception>
    public async Task<ExecInput?> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var got = await socket.ReceiveAsync(_part.AsMemory(), cancellationToken);
            switch (got.MessageType)
            {
                case WebSocketMessageType.Close:
                    return null;
                case WebSocketMessageType.Text:
                    return await ReadTextAsync(got, cancellationToken);
            }
            var (first, count) = (!_inside, got.Count);
            if (first && count == 0 && !got.EndOfMessage)
                continue; // the channel byte is still to come
            _inside = !got.EndOfMessage;
            var channel = first && count > 0 ? _part[0] : ExecChannel.Stdin;
            if (first && (count == 0 || channel != ExecChannel.Stdin))
            {
                await SkipAsync(got.EndOfMessage, cancellationToken);
                return new ExecInput(null, default, "A binary message begins with the byte 0, for the process's input.");
            }
            return new ExecInput(null, _part.AsMemory(first ? 1 : 0, first ? count - 1 : count), null);
        }
    }

    public Task SendAsync(ExecControl control, CancellationToken cancellationToken) =>
        SendAsync(JsonSerializer.SerializeToUtf8Bytes(control, ApiJson.Context.ExecControl), WebSocketMessageType.Text, cancellationToken);

    /// <summary>Completes when the connection has taken it; a slow client makes that late.</summary>
    public Task SendAsync(byte channel, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var message = new byte[bytes.Length + 1];
        message[0] = channel;
        bytes.CopyTo(message.AsMemory(1));
        return SendAsync(message, WebSocketMessageType.Binary, cancellationToken);
    }

    /// <summary>Says that nothing more comes.</summary>
    public async Task CloseOutputAsync(CancellationToken cancellationToken)
    {
        if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancellationToken);
    }

    public void Dispose() => _sending.Dispose();

    private async Task SendAsync(byte[] message, WebSocketMessageType type, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            await socket.SendAsync(message, type, true, cancellationToken);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task<ExecInput> ReadTextAsync(ValueWebSocketReceiveResult got, CancellationToken cancellationToken)
    {
        var text = new MemoryStream();
        while (true)
        {
            text.Write(_part.AsSpan(0, got.Count));
            if (text.Length > MaxText)
            {
                await SkipAsync(got.EndOfMessage, cancellationToken);
                return new ExecInput(null, default, $"A text message has at most {MaxText} bytes.");
            }
            if (got.EndOfMessage)
                return new ExecInput(text.ToArray(), default, null);
            got = await socket.ReceiveAsync(_part.AsMemory(), cancellationToken);
        }
    }

    private async Task SkipAsync(bool over, CancellationToken cancellationToken)
    {
        while (!over)
            over = (await socket.ReceiveAsync(_part.AsMemory(), cancellationToken)).EndOfMessage;
        _inside = false;
    }
}

/// <summary>Something that a client sent: exactly one of the three.</summary>
/// <param name="Text">A text message.</param>
/// <param name="Bytes">Input of the process; valid until the next is received.</param>
/// <param name="Problem">Why it is neither.</param>
internal readonly record struct ExecInput(byte[]? Text, ReadOnlyMemory<byte> Bytes, string? Problem);
