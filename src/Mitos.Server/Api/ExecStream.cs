using System.Net.WebSockets;
using System.Text.Json;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Server.Api;

/// <summary>
/// A process over a WebSocket: first a text message with the request, then binary messages (a channel byte, then bytes) and
/// text messages (<see cref="ExecControl"/>). What the client does not read is not read from the process either.
/// </summary>
internal static class ExecStream
{
    private const int MaxMessage = 1 << 20;
    private static readonly TimeSpan HangUpGrace = TimeSpan.FromSeconds(2);

    public static async Task ServeAsync(HttpContext context, string id, ISandboxes sandboxes)
    {
        if (!context.WebSockets.IsWebSocketRequest)
            throw SandboxException.Invalid("This address speaks WebSocket only.", "Use POST …/exec for a simple call.");
        var agent = sandboxes.Agent(sandboxes.Find(id).Id);
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            var (type, first) = await ReceiveAsync(socket, gone.Token);
            var request = type == WebSocketMessageType.Text ? JsonSerializer.Deserialize(first, ContractsJson.Default.ExecRequest) : null;
            var spec = ExecRoutes.ToSpec(request ?? throw SandboxException.Invalid("The first message is not the JSON of a request.", "Send the fields of POST …/exec first."));
            await using var process = await agent.StartAsync(spec, gone.Token);
            await SendAsync(socket, new ExecControl { Type = "started", Pid = process.Pid }, gone.Token);
            var control = ControlAsync(socket, process, gone);
            var ended = await OutputAsync(socket, process, gone.Token);
            if (!ended && !request!.Detach)
                await HangUpAsync(process);
            else if (ended)
                await agent.ForgetAsync(process.Key, CancellationToken.None);
            if (ended && socket.State == WebSocketState.Open)
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            await gone.CancelAsync();
            await control.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception e) when (e is SandboxException or AgentException or JsonException && socket.State == WebSocketState.Open)
        {
            await SendAsync(socket, new ExecControl { Type = "error", Error = Errors.Describe(e).Body }, CancellationToken.None);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // the client went away; its process was hung up on above, or never started
        }
    }

    // True when the process ended; false when the client went first.
    private static async Task<bool> OutputAsync(WebSocket socket, AgentProcess process, CancellationToken gone)
    {
        try
        {
            await foreach (var next in process.ReadAsync(gone))
            {
                if (next.Exit is { } exit)
                {
                    await SendAsync(socket, new ExecControl { Type = "exited", ExitCode = exit.Code, Signal = exit.Signal }, gone);
                    return true;
                }
                var message = new byte[next.Bytes.Length + 1];
                message[0] = next.Stream == OutputStream.Stdout ? ExecChannel.Stdout : ExecChannel.Stderr;
                next.Bytes.CopyTo(message.AsMemory(1));
                await socket.SendAsync(message, WebSocketMessageType.Binary, true, gone);
            }
            return true;
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            return process.Exit.IsCompletedSuccessfully;
        }
    }

    private static async Task ControlAsync(WebSocket socket, AgentProcess process, CancellationTokenSource gone)
    {
        try
        {
            while (true)
            {
                var (type, message) = await ReceiveAsync(socket, gone.Token);
                if (type == WebSocketMessageType.Close)
                    break;
                if (type == WebSocketMessageType.Binary && message is [ExecChannel.Stdin, ..])
                    await process.WriteStdinAsync(message.AsMemory(1), gone.Token);
                else if (type == WebSocketMessageType.Text)
                    await ApplyAsync(process, JsonSerializer.Deserialize(message, ContractsJson.Default.ExecControl), gone.Token);
            }
        }
        catch (AgentException)
        {
            // input or a signal for a process that has ended: its end is on its way
            return;
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or JsonException)
        {
            // broken or nonsense: the same as gone
        }
        await gone.CancelAsync();
    }

    private static Task ApplyAsync(AgentProcess process, ExecControl? control, CancellationToken cancellationToken) => control switch
    {
        { Type: "closeStdin" } => process.CloseStdinAsync(cancellationToken),
        { Type: "signal", Signal: { } signal } => process.SignalAsync(signal, group: true, cancellationToken),
        { Type: "resize", Rows: { } rows, Columns: { } columns } => process.ResizeAsync(new TerminalSize(rows, columns), cancellationToken),
        _ => Task.CompletedTask,
    };

    private static async Task HangUpAsync(AgentProcess process)
    {
        try
        {
            await process.SignalAsync(1, group: true, CancellationToken.None);
            await Task.Delay(HangUpGrace);
            await process.SignalAsync(9, group: true, CancellationToken.None);
        }
        catch (AgentException)
        {
            // it has ended
        }
    }

    private static async Task<(WebSocketMessageType Type, byte[] Bytes)> ReceiveAsync(WebSocket socket, CancellationToken cancellationToken)
    {
        var message = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken);
            message.Write(buffer.AsSpan(0, part.Count));
            if (message.Length > MaxMessage)
                throw new WebSocketException($"A message of more than {MaxMessage} bytes.");
            if (part.EndOfMessage || part.MessageType == WebSocketMessageType.Close)
                return (part.MessageType, message.ToArray());
        }
    }

    private static Task SendAsync(WebSocket socket, ExecControl control, CancellationToken cancellationToken) =>
        socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(control, ContractsJson.Default.ExecControl), WebSocketMessageType.Text, true, cancellationToken);
}
