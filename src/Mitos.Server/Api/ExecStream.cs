using System.Net.WebSockets;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>
/// A process over a WebSocket: text messages are <see cref="ExecControl"/>, binary ones a channel byte and bytes. What the client
/// does not read is not read from the process either. Refusals come as messages, for a refused WebSocket has no body.
/// </summary>
internal static class ExecStream
{
    private static readonly TimeSpan HangUpGrace = TimeSpan.FromSeconds(2), CloseLimit = TimeSpan.FromSeconds(5), FirstLimit = TimeSpan.FromSeconds(30);

    /// <summary>exec/stream: the first message is the request.</summary>
    public static Task StartAsync(HttpContext context, string id, ISandboxes sandboxes, OpenCalls calls) => ServeAsync(context, async (socket, gone) =>
    {
        var sandbox = sandboxes.Find(id).Id;
        using var open = calls.Enter(sandbox);
        var agent = await sandboxes.AgentAsync(sandbox, gone.Token);
        if (await ReceiveFirstAsync(socket, gone) is not { } first)
            return;
        var request = first.Text is { } text ? WrongJsonException.Read(text, ContractsJson.Default.ExecRequest) : null;
        if (request is null)
            throw SandboxException.Invalid(first.Problem ?? "The first message is not the request.", "Send the request as JSON in a text message.");
        var spec = ExecRoutes.ToSpec(request);
        await using var process = await ExecRoutes.StartAsync(agent, spec, id);
        if (await RunAsync(socket, process, gone))
            agent.Forget(process.Key);
        else if (!request.Detach)
            await HangUpAsync(process);
    });

    /// <summary>processes/{process}/stream: a process that runs, or has ended and is not forgotten.</summary>
    public static Task AttachAsync(HttpContext context, string id, string process, ISandboxes sandboxes, OpenCalls calls) => ServeAsync(context, async (socket, gone) =>
    {
        var sandbox = sandboxes.Find(id).Id;
        using var open = calls.Enter(sandbox);
        var agent = await sandboxes.AgentAsync(sandbox, gone.Token);
        var key = await ProcessRoutes.FindAsync(agent, process, gone.Token);
        await using var attached = await agent.AttachAsync(key, 0, 0, gone.Token);
        await RunAsync(socket, attached, gone);
    });

    private static async Task ServeAsync(HttpContext context, Func<ExecSocket, CancellationTokenSource, Task> serve)
    {
        if (!context.WebSockets.IsWebSocketRequest)
            throw SandboxException.Invalid("This address speaks WebSocket only.", "Connect with a WebSocket client; POST …/exec is for simple calls.");
        using var webSocket = await context.WebSockets.AcceptWebSocketAsync();
        using var socket = new ExecSocket(webSocket);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        try
        {
            try
            {
                await serve(socket, gone);
            }
            catch (Exception e) when (e is SandboxException or AgentException or WrongJsonException or TooManyCallsException)
            {
                var error = Errors.Describe(e).Body;
                Refusal.Note(context, error.Code);
                await socket.SendAsync(new ExecControl { Type = ExecMessages.Error, Error = error }, gone.Token);
                await CloseAsync(socket, ReceiveAsync(socket, null, gone), gone);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // the client went away
        }
    }

    // What a client has to say at once it must say soon.
    private static async Task<ExecInput?> ReceiveFirstAsync(ExecSocket socket, CancellationTokenSource gone)
    {
        var first = socket.ReceiveAsync(gone.Token);
        try
        {
            return await first.WaitAsync(FirstLimit, gone.Token);
        }
        catch (TimeoutException)
        {
            var error = new ErrorBody(ErrorCodes.DeadlineExceeded, $"The request did not come within {FirstLimit.TotalSeconds} seconds.", "Send it as soon as the connection is open.");
            await socket.SendAsync(new ExecControl { Type = ExecMessages.Error, Error = error }, gone.Token);
            await socket.CloseOutputAsync(gone.Token);
            await ((Task)first).WaitAsync(CloseLimit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // its farewell
            await gone.CancelAsync();
            await ((Task)first).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return null;
        }
    }

    /// <returns>Whether the process ended, or its machine; false when the client went first.</returns>
    private static async Task<bool> RunAsync(ExecSocket socket, AgentProcess process, CancellationTokenSource gone)
    {
        try
        {
            await socket.SendAsync(new ExecControl { Type = ExecMessages.Started, Pid = process.Pid, Process = process.Key.ToString() }, gone.Token);
            var receiving = ReceiveAsync(socket, process, gone);
            try
            {
                await ForwardAsync(socket, process, gone.Token);
            }
            catch (AgentException e)
            {
                await socket.SendAsync(new ExecControl { Type = ExecMessages.Error, Error = Errors.Describe(e).Body }, gone.Token);
            }
            finally
            {
                await CloseAsync(socket, receiving, gone);
            }
            return true;
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            return false;
        }
    }

    private static async Task ForwardAsync(ExecSocket socket, AgentProcess process, CancellationToken gone)
    {
        await foreach (var next in process.ReadAsync(gone))
        {
            await (next.Exit is { } exit
                ? socket.SendAsync(new ExecControl { Type = ExecMessages.Exited, ExitCode = exit.Code, Signal = exit.Signal }, gone)
                : socket.SendAsync(next.Stream == OutputStream.Stdout ? ExecChannel.Stdout : ExecChannel.Stderr, next.Bytes, gone));
        }
    }

    // Before the connection goes, what the client still sends is read: else the system would drop what the client has not read yet.
    private static async Task CloseAsync(ExecSocket socket, Task receiving, CancellationTokenSource gone)
    {
        if (!gone.IsCancellationRequested)
        {
            await socket.CloseOutputAsync(gone.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await receiving.WaitAsync(CloseLimit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await gone.CancelAsync();
        await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Does what the client says until it has gone.</summary>
    private static async Task ReceiveAsync(ExecSocket socket, AgentProcess? process, CancellationTokenSource gone)
    {
        var inputIsOpen = true;
        try
        {
            while (await socket.ReceiveAsync(gone.Token) is { } next)
            {
                try
                {
                    if (process is null)
                        continue;
                    if (next.Problem is { } problem)
                        throw SandboxException.Invalid(problem, "docs/api.md has the messages of a stream.");
                    if (next.Text is { } text)
                        await ApplyAsync(process, WrongJsonException.Read(text, ContractsJson.Default.ExecControl), gone.Token);
                    else if (inputIsOpen && next.Bytes.Length > 0)
                        await process.WriteStdinAsync(next.Bytes, gone.Token);
                }
                catch (Exception e) when (e is AgentException or SandboxException or WrongJsonException)
                {
                    inputIsOpen &= next.Text is not null || next.Problem is not null; // what comes after a refused piece would be torn
                    if (!process!.Exit.IsCompleted)
                        await socket.SendAsync(new ExecControl { Type = ExecMessages.Refused, Error = Errors.Describe(e).Body }, gone.Token);
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // the same as a farewell
        }
        await gone.CancelAsync();
    }

    private static Task ApplyAsync(AgentProcess process, ExecControl? control, CancellationToken cancellationToken) => control switch
    {
        { Type: ExecMessages.CloseStdin } => process.CloseStdinAsync(cancellationToken),
        { Type: ExecMessages.Signal, Signal: >= 1 and <= 64 and var signal } => process.SignalAsync(signal, group: true, cancellationToken),
        { Type: ExecMessages.Signal } => throw SandboxException.Invalid($"There is no signal {control.Signal}.", "Use 1 to 64."),
        { Type: ExecMessages.Resize, Rows: >= 1 and <= ushort.MaxValue and var rows, Columns: >= 1 and <= ushort.MaxValue and var columns } =>
            process.ResizeAsync(new TerminalSize(rows, columns), cancellationToken),
        { Type: ExecMessages.Resize } => throw SandboxException.Invalid("A terminal needs rows and columns.", $"Both are 1 to {ushort.MaxValue}."),
        _ => throw SandboxException.Invalid($"There is no message '{control?.Type}'.", "Use closeStdin, signal or resize."),
    };

    private static async Task HangUpAsync(AgentProcess process)
    {
        try
        {
            await process.SignalAsync(1, group: true, CancellationToken.None);
            await Task.WhenAny(process.Exit, Task.Delay(HangUpGrace));
            await process.SignalAsync(9, group: true, CancellationToken.None);
        }
        catch (AgentException)
        {
            // it has ended
        }
    }
}
