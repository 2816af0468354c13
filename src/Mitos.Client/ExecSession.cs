using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.Client;

/// <summary>A process in a sandbox whose input and output are streams. Disposing it hangs up on a process that was started by it, unless detached.</summary>
public sealed class ExecSession : IDisposable
{
    private readonly ClientWebSocket _socket;
    private readonly Func<string, int, CancellationToken, Task> _signal;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly byte[] _buffer = new byte[64 << 10];

    private ExecSession(ClientWebSocket socket, Func<string, int, CancellationToken, Task> signal) => (_socket, _signal) = (socket, signal);

    /// <summary>Its number in the guest.</summary>
    public int Pid { get; private set; }

    /// <summary><see cref="ProcessBody.Id"/>: for <see cref="MitosClient.AttachAsync"/> and <see cref="MitosClient.SignalAsync"/>.</summary>
    public string Process { get; private set; } = "";

    /// <summary>Set when <see cref="ReadAsync"/> has come to its end. 128 + signal when a signal ended the process.</summary>
    public int? ExitCode { get; private set; }

    /// <summary>What was refused last, for example input that the process does not read any more; null: nothing. Known as far as <see cref="ReadAsync"/> has come.</summary>
    public ErrorBody? Refusal { get; private set; }

    internal static async Task<ExecSession> StartAsync(ClientWebSocket socket, ExecRequest? request, Func<string, int, CancellationToken, Task> signal, CancellationToken cancellationToken)
    {
        var session = new ExecSession(socket, signal);
        if (request is not null)
            await session.SendAsync(JsonSerializer.SerializeToUtf8Bytes(request, ContractsJson.Default.ExecRequest), WebSocketMessageType.Text, cancellationToken);
        var started = ReadControl(await session.ReceiveAsync(cancellationToken));
        (session.Pid, session.Process) = (started.Pid ?? 0, started.Process ?? "");
        return started.Type == ExecMessages.Started ? session : throw Broken(started.Error);
    }

    /// <summary>All output: the channel (<see cref="ExecChannel"/>) and bytes; ends with the process. What is not read is not taken from the process either.</summary>
    /// <exception cref="MitosException">The sandbox or the daemon went away.</exception>
    public async IAsyncEnumerable<(byte Channel, ReadOnlyMemory<byte> Bytes)> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (ExitCode is null)
        {
            var (type, message) = await ReceiveAsync(cancellationToken);
            if (type == WebSocketMessageType.Binary && message.Length > 0)
            {
                yield return (message[0], message.AsMemory(1));
                continue;
            }
            var control = ReadControl((type, message));
            if (control.Type == ExecMessages.Exited)
                ExitCode = control.ExitCode;
            else if (control.Type == ExecMessages.Refused)
                Refusal = control.Error;
            else
                throw Broken(control.Error);
        }
    }

    /// <summary>Sends input; completes when the connection has taken it. What the process does not read makes that late.</summary>
    /// <param name="bytes">Any number.</param>
    /// <param name="cancellationToken">Breaks the session.</param>
    public Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        var message = new byte[bytes.Length + 1];
        message[0] = ExecChannel.Stdin;
        bytes.CopyTo(message.AsMemory(1));
        return SendAsync(message, WebSocketMessageType.Binary, cancellationToken);
    }

    /// <summary>The process reads the end of its input.</summary>
    public Task CloseStdinAsync(CancellationToken cancellationToken = default) => SendAsync(new ExecControl { Type = ExecMessages.CloseStdin }, cancellationToken);

    /// <summary>Signals its process group, past input that waits.</summary>
    /// <param name="signal">1 to 64.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="MitosException">It has ended.</exception>
    public Task SignalAsync(int signal, CancellationToken cancellationToken = default) => _signal(Process, signal, cancellationToken);

    /// <summary>Its terminal has another size.</summary>
    /// <param name="rows">1 to 65535.</param>
    /// <param name="columns">1 to 65535.</param>
    /// <param name="cancellationToken">Breaks the session.</param>
    public Task ResizeAsync(int rows, int columns, CancellationToken cancellationToken = default) =>
        SendAsync(new ExecControl { Type = ExecMessages.Resize, Rows = rows, Columns = columns }, cancellationToken);

    /// <summary>Leaves.</summary>
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

    private async Task<(WebSocketMessageType Type, byte[] Bytes)> ReceiveAsync(CancellationToken cancellationToken)
    {
        var message = new MemoryStream();
        try
        {
            while (true)
            {
                var part = await _socket.ReceiveAsync(_buffer.AsMemory(), cancellationToken);
                message.Write(_buffer.AsSpan(0, part.Count));
                if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                    return (part.MessageType, message.ToArray());
            }
        }
        catch (WebSocketException e)
        {
            throw new MitosException(new ErrorBody(ErrorCodes.Unavailable, "The connection to mitosd broke.", "See whether it runs with `mitos status`."), e);
        }
    }

    private static ExecControl ReadControl((WebSocketMessageType Type, byte[] Bytes) message) =>
        message.Type == WebSocketMessageType.Text ? JsonSerializer.Deserialize(message.Bytes, ContractsJson.Default.ExecControl)! : new ExecControl { Type = ExecMessages.Error };

    private static MitosException Broken(ErrorBody? error) =>
        new(error ?? new ErrorBody(ErrorCodes.Unavailable, "The stream of the command broke before the command ended.", "Look at the sandbox with `mitos inspect`."));
}
