using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Server.Tests.Exec;

/// <summary>The stream as it is on the wire, over loopback with the key.</summary>
internal sealed class RawStream : IDisposable
{
    private readonly byte[] _buffer = new byte[64 << 10];

    public ClientWebSocket Socket { get; } = new();

    /// <summary>All output so far, by channel.</summary>
    public MemoryStream[] Outputs { get; } = [new(), new(), new()];

    public static async Task<RawStream> ConnectAsync(ServerFixture server, string path)
    {
        var stream = new RawStream();
        stream.Socket.Options.SetRequestHeader("Authorization", $"Bearer {server.Key}");
        await stream.Socket.ConnectAsync(new Uri(server.Address.ToString().Replace("http://", "ws://", StringComparison.Ordinal) + path), ServerFixture.Soon);
        return stream;
    }

    /// <summary>Connected, and the command has started.</summary>
    public static async Task<RawStream> StartAsync(ServerFixture server, string id, string request)
    {
        var stream = await ConnectAsync(server, $"v1/sandboxes/{id}/exec/stream");
        await stream.SendAsync(request);
        Assert.Equal(ExecMessages.Started, (await stream.ReadControlAsync()).Type);
        return stream;
    }

    public Task SendAsync(string text) => Socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, ServerFixture.Soon);

    public Task SendAsync(byte[] bytes, bool end = true) => Socket.SendAsync(bytes, WebSocketMessageType.Binary, end, ServerFixture.Soon);

    /// <summary>The next text message; output before it is collected.</summary>
    public async Task<ExecControl> ReadControlAsync()
    {
        while (true)
        {
            var (type, message) = await ReceiveAsync();
            Assert.NotEqual(WebSocketMessageType.Close, type);
            if (type == WebSocketMessageType.Text)
                return JsonSerializer.Deserialize(message, ContractsJson.Default.ExecControl)!;
            Outputs[message[0]].Write(message.AsSpan(1));
        }
    }

    /// <summary>Reads until the output begins with this.</summary>
    public async Task ReadOutputAsync(string expected)
    {
        while (Outputs[ExecChannel.Stdout].Length < expected.Length)
        {
            var (type, message) = await ReceiveAsync();
            Assert.Equal(WebSocketMessageType.Binary, type);
            Outputs[message[0]].Write(message.AsSpan(1));
        }
        Assert.StartsWith(expected, Text(ExecChannel.Stdout), StringComparison.Ordinal);
    }

    /// <summary>The last message, after which the server closes.</summary>
    public async Task<ExecControl> ReadEndAsync()
    {
        var control = await ReadControlAsync();
        while (control.Type == ExecMessages.Refused)
            control = await ReadControlAsync();
        Assert.Equal(WebSocketMessageType.Close, (await ReceiveAsync()).Type);
        return control;
    }

    public string Text(byte channel) => Encoding.UTF8.GetString(Outputs[channel].ToArray());

    public void Dispose() => Socket.Dispose();

    private async Task<(WebSocketMessageType Type, byte[] Bytes)> ReceiveAsync()
    {
        var message = new MemoryStream();
        while (true)
        {
            var part = await Socket.ReceiveAsync(_buffer.AsMemory(), ServerFixture.Soon);
            message.Write(_buffer.AsSpan(0, part.Count));
            if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                return (part.MessageType, message.ToArray());
        }
    }
}
