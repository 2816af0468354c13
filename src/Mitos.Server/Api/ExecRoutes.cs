using System.Text;
using Microsoft.AspNetCore.Mvc;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;
using Mitos.Server.Requests;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/exec: simple calls. Streams are in <see cref="ExecStream"/>.</summary>
internal static class ExecRoutes
{
    private const int MaxOutput = 16 << 20;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes/{id}").WithTags("exec").CountCalls();
        group.MapPost("/exec", RunAsync).WithName("exec").WithSummary("Runs a command and returns its output")
            .WithDescription("At most 16 MiB of each output. When the client goes away the command is killed.");
        group.MapGet("/exec/stream", ExecStream.StartAsync).WithName("execStream").WithSummary("Runs a command, over a WebSocket").Produces(101)
            .WithDescription("The first message is an ExecRequest. Then text messages are ExecControl, binary ones a channel byte (0 input, 1 output, 2 error output) and bytes. docs/api.md has the protocol.");
    }

    /// <exception cref="SandboxException">InvalidArgument.</exception>
    public static ProcessSpec ToSpec(ExecRequest request)
    {
        if ((request.Argv is { Count: > 0 }) == (request.Cmd is not null))
            throw SandboxException.Invalid("A command is missing, or given twice.", "Give either argv or cmd.");
        if (request.Argv?.Contains(null!) == true || request.Env?.ContainsValue(null!) == true)
            throw SandboxException.Invalid("An argument or a variable of the environment is null.", "Give it a text, or leave it out.");
        if (request.TimeoutMs < 0)
            throw SandboxException.Invalid($"A timeout of {request.TimeoutMs} ms is not possible.", "Give 0 for none.");
        if (request.Tty is { Rows: < 1 or > ushort.MaxValue } or { Columns: < 1 or > ushort.MaxValue })
            throw SandboxException.Invalid($"A terminal of {request.Tty.Rows} rows and {request.Tty.Columns} columns is not possible.", $"Both are 1 to {ushort.MaxValue}.");
        return new ProcessSpec
        {
            Argv = request.Argv is { Count: > 0 } argv ? argv : ["/bin/bash", "-lc", request.Cmd!],
            Environment = request.Env ?? [],
            Directory = request.Cwd ?? "",
            User = request.User ?? "",
            Timeout = TimeSpan.FromMilliseconds(request.TimeoutMs ?? 0),
            Stdin = request.Stdin || request.StdinBase64 is not null,
            Terminal = request.Tty is { } tty ? new TerminalSize(tty.Rows, tty.Columns) : null,
        };
    }

    /// <summary>Starts a process. Not given up with the client: one that was half started would be nobody's.</summary>
    /// <exception cref="SandboxException">DeadlineExceeded.</exception>
    public static async Task<AgentProcess> StartAsync(AgentClient agent, ProcessSpec spec, string id)
    {
        using var limit = new CancellationTokenSource(StartLimit);
        try
        {
            return await agent.StartAsync(spec, limit.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new SandboxException(ErrorCode.DeadlineExceeded, $"The agent of sandbox '{id}' did not start the command within {StartLimit.TotalSeconds:F0} s.",
                "Its guest may be overloaded or stuck: GET …/console shows its last words, GET …/processes what runs.", e);
        }
    }

    private static async Task<ExecBody> RunAsync(string id, [FromBody] ExecRequest request, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        if (request.Stdin || request.Tty is not null || request.Detach)
            throw SandboxException.Invalid("stdin, tty and detach are for streams.", "Leave them out and give stdinBase64 for input, or use GET …/exec/stream.");
        var spec = ToSpec(request);
        var input = Decode(request.StdinBase64);
        var agent = await sandboxes.AgentAsync(sandboxes.Find(id).Id, cancellationToken);
        await using var process = await StartAsync(agent, spec, id);
        try
        {
            var sending = SendInputAsync(process, input, cancellationToken);
            var result = await CollectAsync(process, cancellationToken);
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // a process may end without reading its input
            return result;
        }
        catch (OperationCanceledException)
        {
            await process.SignalAsync(9, group: true, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        finally
        {
            if (process.Exit.IsCompletedSuccessfully)
                agent.Forget(process.Key);
        }
    }

    private static async Task<ExecBody> CollectAsync(AgentProcess process, CancellationToken cancellationToken)
    {
        var outputs = new Dictionary<OutputStream, MemoryStream> { [OutputStream.Stdout] = new(), [OutputStream.Stderr] = new() };
        var truncated = false;
        await foreach (var next in process.ReadAsync(cancellationToken))
        {
            var target = outputs[next.Stream];
            var room = Math.Min(next.Bytes.Length, MaxOutput - (int)target.Length);
            target.Write(next.Bytes.Span[..room]);
            truncated |= room < next.Bytes.Length;
        }
        var exit = await process.Exit;
        var (stdout, stdoutBase64) = Text(outputs[OutputStream.Stdout]);
        var (stderr, stderrBase64) = Text(outputs[OutputStream.Stderr]);
        return new ExecBody { ExitCode = exit.Code, Signal = exit.Signal, Stdout = stdout, Stderr = stderr, StdoutBase64 = stdoutBase64, StderrBase64 = stderrBase64, Truncated = truncated };
    }

    private static byte[]? Decode(string? base64)
    {
        try
        {
            return base64 is null ? null : Convert.FromBase64String(base64);
        }
        catch (FormatException e)
        {
            throw SandboxException.Invalid($"stdinBase64 is no base64: {e.Message}", "Encode the input with base64, padding included.");
        }
    }

    private static async Task SendInputAsync(AgentProcess process, byte[]? input, CancellationToken cancellationToken)
    {
        if (input is null)
            return;
        await process.WriteStdinAsync(input, cancellationToken);
        await process.CloseStdinAsync(cancellationToken);
    }

    private static (string Text, string? Base64) Text(MemoryStream bytes)
    {
        try
        {
            return (Strict.GetString(bytes.GetBuffer(), 0, (int)bytes.Length), null);
        }
        catch (DecoderFallbackException)
        {
            return (Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length), Convert.ToBase64String(bytes.GetBuffer(), 0, (int)bytes.Length));
        }
    }
}
