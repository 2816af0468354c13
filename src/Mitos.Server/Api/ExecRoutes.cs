using System.Text;
using Mitos.Contracts;
using Mitos.Engine.Agent;
using Mitos.Engine.Errors;
using Mitos.Engine.Sandboxes;
using Mitos.Protocol.Messages;

namespace Mitos.Server.Api;

/// <summary>/v1/sandboxes/{id}/exec: simple calls. Streams are in <see cref="ExecStream"/>.</summary>
internal static class ExecRoutes
{
    private const int MaxOutput = 16 << 20;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static void Map(RouteGroupBuilder v1)
    {
        var group = v1.MapGroup("/sandboxes/{id}").WithTags("exec");
        group.MapPost("/exec", RunAsync).WithSummary("Runs a command and returns its output");
        group.Map("/exec/stream", ExecStream.ServeAsync).WithSummary("Runs a command over a WebSocket; see docs/api.md");
    }

    /// <exception cref="SandboxException">InvalidArgument.</exception>
    public static ProcessSpec ToSpec(ExecRequest request)
    {
        if ((request.Argv is { Count: > 0 }) == (request.Cmd is not null))
            throw SandboxException.Invalid("A command is missing, or given twice.", "Give either argv or cmd.");
        if (request.TimeoutMs < 0)
            throw SandboxException.Invalid($"A timeout of {request.TimeoutMs} ms is not possible.", "Give 0 for none.");
        return new ProcessSpec
        {
            Argv = request.Argv is { Count: > 0 } argv ? argv : ["/bin/bash", "-lc", request.Cmd!], Environment = request.Env ?? [],
            Directory = request.Cwd ?? "", User = request.User ?? "", Timeout = TimeSpan.FromMilliseconds(request.TimeoutMs ?? 0),
            Stdin = request.Stdin || request.StdinBase64 is not null,
            Terminal = request.Tty is { } tty ? new TerminalSize(tty.Rows, tty.Columns) : null,
        };
    }

    private static async Task<ExecBody> RunAsync(string id, ExecRequest request, ISandboxes sandboxes, CancellationToken cancellationToken)
    {
        var agent = sandboxes.Agent(sandboxes.Find(id).Id);
        var spec = ToSpec(request) with { Terminal = null };
        await using var process = await agent.StartAsync(spec, cancellationToken);
        var input = SendInputAsync(process, request.StdinBase64, cancellationToken);
        var outputs = new Dictionary<OutputStream, MemoryStream> { [OutputStream.Stdout] = new(), [OutputStream.Stderr] = new() };
        var truncated = false;
        try
        {
            await foreach (var next in process.ReadAsync(cancellationToken))
            {
                var target = outputs[next.Stream];
                var room = Math.Min(next.Bytes.Length, MaxOutput - (int)target.Length);
                target.Write(next.Bytes.Span[..room]);
                truncated |= room < next.Bytes.Length;
            }
        }
        catch (OperationCanceledException)
        {
            await process.SignalAsync(9, group: true, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        await input.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // a process may end without reading its input
        var exit = await process.Exit;
        await agent.ForgetAsync(process.Key, CancellationToken.None);
        var (stdout, stdoutBase64) = Text(outputs[OutputStream.Stdout]);
        var (stderr, stderrBase64) = Text(outputs[OutputStream.Stderr]);
        return new ExecBody { ExitCode = exit.Code, Signal = exit.Signal, Stdout = stdout, Stderr = stderr, StdoutBase64 = stdoutBase64, StderrBase64 = stderrBase64, Truncated = truncated };
    }

    private static async Task SendInputAsync(AgentProcess process, string? base64, CancellationToken cancellationToken)
    {
        if (base64 is null)
            return;
        byte[] bytes;
        try
        {
            bytes = Convert.FromBase64String(base64);
        }
        catch (FormatException e)
        {
            throw SandboxException.Invalid($"stdinBase64 is no base64: {e.Message}", "Encode the bytes in base64.");
        }
        await process.WriteStdinAsync(bytes, cancellationToken);
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
