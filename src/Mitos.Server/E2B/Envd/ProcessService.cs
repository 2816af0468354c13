using System.Collections.Concurrent;
using System.Text.Json;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Control;

namespace Mitos.Server.E2B.Envd;

/// <summary>process.Process: starts, follows and feeds processes of a guest.</summary>
internal sealed class ProcessService(SandboxLogs logs)
{
    private const int Kill = 9;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30), TimeoutGrace = TimeSpan.FromSeconds(1);

    // The agent knows neither tags nor, later, who has a terminal. Kept as long as the server runs.
    private readonly ConcurrentDictionary<ProcessKey, string> _tags = new();
    private readonly ConcurrentDictionary<ProcessKey, bool> _terminals = new();

    /// <summary>What all processes of a sandbox find in their environment.</summary>
    public static void WriteEnvironment(EnvdCall call, Utf8JsonWriter writer)
    {
        foreach (var (name, value) in EnvironmentOf(call))
            writer.WriteString(name, value);
    }

    public async Task StartAsync(EnvdCall call, ConnectStream stream, JsonElement request)
    {
        var spec = SpecOf(call, request);
        using var limit = new CancellationTokenSource(StartLimit);
        AgentProcess started;
        try
        {
            started = await call.Agent.StartAsync(spec, limit.Token); // not given up with the client: one that was half started would be nobody's
        }
        catch (AgentException e) when (e.Code == AgentErrorCode.NotFound && ConnectException.Of(e).Code == "not_found")
        {
            throw ConnectException.Invalid(e.Message); // the command, or the directory
        }
        await using var process = started;
        if (request.Text("tag") is { Length: > 0 } tag)
            _tags[process.Key] = tag;
        logs.Add(call.Sandbox.Id, "info", $"process {process.Pid} started: {string.Join(' ', spec.Argv)}", ("pid", $"{process.Pid}"), ("user", spec.User));
        await FollowAsync(call, stream, process, spec.Terminal is not null, isStart: true);
    }

    public async Task ConnectAsync(EnvdCall call, ConnectStream stream, JsonElement request)
    {
        var info = await FindAsync(call, request);
        await using var process = await call.Agent.FollowAsync(info.Key, call.Aborted);
        await FollowAsync(call, stream, process, _terminals.ContainsKey(info.Key), isStart: false);
    }

    /// <summary>Input as a stream of messages.</summary>
    public async Task StreamInputAsync(EnvdCall call, ConnectStream stream, JsonElement first)
    {
        var start = first.Field("start") ?? throw ConnectException.Invalid("the first message must be start");
        var info = await FindAsync(call, start);
        while (await stream.ReadAsync() is { } next)
        {
            if (next.Field("data") is { } data)
                await call.Agent.WriteInputAsync(info.Key, InputOf(data), call.Aborted);
        }
        await stream.StartAsync();
        await stream.SendAsync(writer =>
        {
            writer.WriteStartObject();
            writer.WriteEndObject();
        });
    }

    public async Task ListAsync(EnvdCall call, JsonElement request)
    {
        var all = await call.Agent.ListProcessesAsync(call.Aborted);
        await call.AnswerAsync(writer =>
        {
            writer.WriteStartArray("processes");
            foreach (var info in all.Where(info => info.Exit is null))
            {
                writer.WriteStartObject();
                writer.WriteStartObject("config");
                writer.WriteString("cmd", info.Argv.Count > 0 ? info.Argv[0] : "");
                writer.WriteStartArray("args");
                foreach (var argument in info.Argv.Skip(1))
                    writer.WriteStringValue(argument);
                writer.WriteEndArray();
                writer.WriteStartObject("envs");
                writer.WriteEndObject();
                writer.WriteString("cwd", info.Directory);
                writer.WriteEndObject();
                writer.WriteNumber("pid", info.Pid);
                if (_tags.TryGetValue(info.Key, out var tag))
                    writer.WriteString("tag", tag);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        });
    }

    public async Task UpdateAsync(EnvdCall call, JsonElement request)
    {
        var info = await FindAsync(call, request);
        if (request.Field("pty")?.Field("size") is { } size)
            await call.Agent.ResizeAsync(info.Key, SizeOf(size), call.Aborted);
        await call.AnswerAsync(_ => { });
    }

    public async Task SendInputAsync(EnvdCall call, JsonElement request)
    {
        var info = await FindAsync(call, request);
        await call.Agent.WriteInputAsync(info.Key, InputOf(request), call.Aborted);
        await call.AnswerAsync(_ => { });
    }

    public async Task CloseStdinAsync(EnvdCall call, JsonElement request)
    {
        await call.Agent.CloseInputAsync((await FindAsync(call, request)).Key, call.Aborted);
        await call.AnswerAsync(_ => { });
    }

    public async Task SendSignalAsync(EnvdCall call, JsonElement request)
    {
        var signal = request.Text("signal") switch
        {
            "SIGNAL_SIGTERM" => 15,
            "SIGNAL_SIGKILL" => Kill,
            var other => throw ConnectException.Invalid($"the signal '{other}' is not known; use SIGNAL_SIGTERM or SIGNAL_SIGKILL"),
        };
        var info = await FindAsync(call, request);
        if (info.Exit is not null)
            throw new ConnectException("not_found", $"process with pid {info.Pid} not found");
        await call.Agent.SignalAsync(info.Key, signal, group: true, call.Aborted);
        await call.AnswerAsync(_ => { });
    }

    private async Task FollowAsync(EnvdCall call, ConnectStream stream, AgentProcess process, bool isTerminal, bool isStart)
    {
        if (isTerminal)
            _terminals[process.Key] = true;
        await stream.StartAsync();
        await stream.SendAsync(writer => WriteEvent(writer, "start", () => writer.WriteNumber("pid", process.Pid)));
        // A client gives up at the same instant: the end of the time is not its leaving.
        using var over = new CancellationTokenSource(call.Timeout ?? Timeout.InfiniteTimeSpan);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted, over.Token);
        using var killing = isStart ? over.Token.Register(() => KillAsync(call, process.Key)) : default;
        var events = process.ReadAsync(deadline.Token).GetAsyncEnumerator(deadline.Token);
        await using (events)
        {
            var next = events.MoveNextAsync().AsTask();
            try
            {
                while (true)
                {
                    if (!next.IsCompleted && await Task.WhenAny(next, Task.Delay(call.KeepAlive, deadline.Token)) != next && !deadline.IsCancellationRequested)
                    {
                        await stream.SendAsync(writer => WriteEvent(writer, "keepalive", () => { }));
                        continue;
                    }
                    if (!await next)
                        break;
                    if (isStart && events.Current.Exit is { } exit)
                        logs.Add(call.Sandbox.Id, exit.Code == 0 ? "info" : "warn", $"process {process.Pid} ended: {StatusOf(exit)}", ("pid", $"{process.Pid}"));
                    await SendAsync(stream, events.Current, isTerminal);
                    next = events.MoveNextAsync().AsTask();
                }
            }
            catch (OperationCanceledException) when (over.IsCancellationRequested)
            {
                throw new ConnectException("deadline_exceeded", "the operation timed out");
            }
            finally
            {
                await deadline.CancelAsync();
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        _tags.TryRemove(process.Key, out _);
        _terminals.TryRemove(process.Key, out _);
    }

    private static async void KillAsync(EnvdCall call, ProcessKey key) =>
        await call.Agent.SignalAsync(key, Kill, group: true, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static Task SendAsync(ConnectStream stream, ProcessEvent next, bool isTerminal) => stream.SendAsync(writer =>
    {
        if (next.Exit is { } exit)
        {
            WriteEvent(writer, "end", () => WriteEnd(writer, exit));
            return;
        }
        var name = isTerminal ? "pty" : next.Stream == OutputStream.Stdout ? "stdout" : "stderr";
        WriteEvent(writer, "data", () => writer.WriteBase64String(name, next.Bytes.Span));
    });

    private static void WriteEvent(Utf8JsonWriter writer, string kind, Action write)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("event");
        writer.WriteStartObject(kind);
        write();
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    // As Go's os.ProcessState says it, which clients show.
    private static void WriteEnd(Utf8JsonWriter writer, ProcessExit exit)
    {
        var status = StatusOf(exit);
        writer.WriteNumber("exitCode", exit.Signal == 0 ? exit.Code : -1);
        writer.WriteBoolean("exited", exit.Signal == 0);
        writer.WriteString("status", status);
        if (exit.Code != 0)
            writer.WriteString("error", status);
    }

    private static string StatusOf(ProcessExit exit) => exit.Signal == 0 ? $"exit status {exit.Code}" : $"signal: {SignalName(exit.Signal)}";

    private static string SignalName(int signal) => signal switch
    {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        6 => "aborted",
        Kill => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        _ => $"signal {signal}",
    };

    private static ProcessSpec SpecOf(EnvdCall call, JsonElement request)
    {
        var process = request.Field("process") ?? throw ConnectException.Invalid("process is required");
        var command = process.Text("cmd") is { Length: > 0 } cmd ? cmd : throw ConnectException.Invalid("process.cmd is required");
        var environment = EnvironmentOf(call);
        foreach (var (name, value) in process.Map("envs"))
            environment[name] = value;
        var terminal = request.Field("pty")?.Field("size");
        return new ProcessSpec
        {
            Argv = [command, .. process.Texts("args")],
            Environment = environment,
            Directory = process.Text("cwd"),
            User = call.User,
            Stdin = terminal is not null || (request.Flag("stdin") ?? true),
            Timeout = call.Timeout + TimeoutGrace ?? TimeSpan.Zero, // the guest's own, should this host not be there then
            Terminal = terminal is { } size ? SizeOf(size) : null,
        };
    }

    private static TerminalSize SizeOf(JsonElement size)
    {
        var (rows, columns) = (size.Number("rows") ?? 0, size.Number("cols") ?? 0);
        return rows is >= 1 and <= ushort.MaxValue && columns is >= 1 and <= ushort.MaxValue
            ? new TerminalSize((int)rows, (int)columns)
            : throw ConnectException.Invalid($"a terminal of {rows} rows and {columns} columns is not possible");
    }

    private static Dictionary<string, string> EnvironmentOf(EnvdCall call)
    {
        var environment = new Dictionary<string, string>
        {
            ["E2B_SANDBOX"] = "true",
            ["E2B_SANDBOX_ID"] = call.Sandbox.Id.ToString(),
            ["E2B_TEMPLATE_ID"] = call.Sandbox.Template,
        };
        foreach (var (name, value) in call.Sandbox.Environment)
            environment[name] = value;
        return environment;
    }

    private static byte[] InputOf(JsonElement message)
    {
        var input = message.Field("input") ?? throw ConnectException.Invalid("input is required");
        return input.Bytes("stdin") ?? input.Bytes("pty") ?? throw ConnectException.Invalid("input must be stdin or pty");
    }

    /// <summary>By pid or tag; of several the one that runs, else the latest.</summary>
    private async Task<ProcessInfo> FindAsync(EnvdCall call, JsonElement request)
    {
        var selector = request.Field("process") ?? throw ConnectException.Invalid("process is required");
        var all = await call.Agent.ListProcessesAsync(call.Aborted);
        var (pid, tag) = (selector.Number("pid"), selector.Text("tag"));
        var matching = all.Where(info => pid is not null ? info.Pid == pid : tag.Length > 0 && _tags.GetValueOrDefault(info.Key) == tag);
        return matching.OrderBy(info => info.Exit is null).ThenBy(info => info.StartedAt).LastOrDefault()
            ?? throw new ConnectException("not_found", pid is not null ? $"process with pid {pid} not found" : $"process with tag {tag} not found");
    }
}
