using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>A command that runs in a sandbox. Disposing it hangs up on the command, unless it was started detached.</summary>
public sealed class ExecSession : IDisposable
{
    private readonly ClientWebSocket _socket;
    private readonly SemaphoreSlim _sending = new(1);

    private ExecSession(ClientWebSocket socket, int pid)
    {
        _socket = socket;
        Pid = pid;
    }

    /// <summary>In the guest.</summary>
    public int Pid { get; }

    /// <summary>Set when <see cref="ReadAsync"/> has come to its end. 128 + signal when a signal ended the command.</summary>
    public int? ExitCode { get; private set; }

    internal static async Task<ExecSession> StartAsync(ClientWebSocket socket, ExecRequest request, CancellationToken cancellationToken)
    {
        await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(request, ContractsJson.Default.ExecRequest), WebSocketMessageType.Text, true, cancellationToken);
        var (_, message) = await ReceiveAsync(socket, cancellationToken);
        var control = JsonSerializer.Deserialize(message, ContractsJson.Default.ExecControl)!;
        return control.Error is { } error ? throw new MitosException(error) : new ExecSession(socket, control.Pid ?? 0);
    }

    /// <summary>All output: the channel (<see cref="ExecChannel"/>) and bytes; ends with the command.</summary>
    /// <exception cref="MitosException">The sandbox or the daemon went away.</exception>
    public async IAsyncEnumerable<(byte Channel, ReadOnlyMemory<byte> Bytes)> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var (type, message) = await ReceiveAsync(_socket, cancellationToken);
            if (type == WebSocketMessageType.Binary && message.Length > 0)
            {
                yield return (message[0], message.AsMemory(1));
                continue;
            }
            var control = type == WebSocketMessageType.Text ? JsonSerializer.Deserialize(message, ContractsJson.Default.ExecControl) : null;
            if (control is { Type: "exited" })
            {
                ExitCode = control.ExitCode;
                yield break;
            }
            throw new MitosException(control?.Error ?? new ErrorBody(ErrorCodes.Unavailable, "The stream of the command broke before the command ended.", "Look at the sandbox with `mitos inspect`."));
        }
    }

    public Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        var message = new byte[bytes.Length + 1];
        message[0] = ExecChannel.Stdin;
        bytes.CopyTo(message.AsMemory(1));
        return SendAsync(message, WebSocketMessageType.Binary, cancellationToken);
    }

    public Task CloseStdinAsync(CancellationToken cancellationToken = default) => SendAsync(new ExecControl { Type = "closeStdin" }, cancellationToken);

    public Task SignalAsync(int signal, CancellationToken cancellationToken = default) => SendAsync(new ExecControl { Type = "signal", Signal = signal }, cancellationToken);

    public Task ResizeAsync(int rows, int columns, CancellationToken cancellationToken = default) =>
        SendAsync(new ExecControl { Type = "resize", Rows = rows, Columns = columns }, cancellationToken);

    public void Dispose()
    {
        _socket.Dispose();
        _sending.Dispose();
    }

    private Task SendAsync(ExecControl control, CancellationToken cancellationToken) =>
        SendAsync(JsonSerializer.SerializeToUtf8Bytes(control, ContractsJson.Default.ExecControl), WebSocketMessageType.Text, cancellationToken);

    private async Task SendAsync(byte[] message, WebSocketMessageType type, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            if (_socket.State == WebSocketState.Open)
                await _socket.SendAsync(message, type, true, cancellationToken);
        }
        catch (WebSocketException)
        {
            // the reader sees the break too
        }
        finally
        {
            _sending.Release();
        }
    }

    private static async Task<(WebSocketMessageType Type, byte[] Bytes)> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellationToken)
    {
        var message = new MemoryStream();
        var buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                var part = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
                message.Write(buffer.AsSpan(0, part.Count));
                if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                    return (part.MessageType, message.ToArray());
            }
        }
        catch (WebSocketException e)
        {
            throw new MitosException(new ErrorBody(ErrorCodes.Unavailable, "The connection to mitosd broke.", "See whether it runs with `mitos status`."), e);
        }
    }
}
