using Google.Protobuf;
using Mitos.Engine.Agent;
using Mitos.Protocol.Messages;
using Mitos.Server.E2B.Control;
using Mitos.Server.E2B.Envd.Connect;
using Mitos.Server.E2B.Envd.Wire;
using GuestProcess = Mitos.Engine.Agent.ProcessInfo;
using ProcessEvent = Mitos.Server.E2B.Envd.Wire.ProcessEvent;

namespace Mitos.Server.E2B.Envd;

/// <summary>process.Process: starts, follows and feeds processes of a guest.</summary>
internal sealed class ProcessService
{
    private const int Kill = 9;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly SandboxLogs _logs;

    public ProcessService(SandboxLogs logs)
    {
        _logs = logs;
        Methods = new Dictionary<string, ConnectMethod>
        {
            ["/process.Process/List"] = ConnectMethod.Unary<ListRequest, ListResponse>(ListAsync),
            ["/process.Process/Start"] = ConnectMethod.Streaming<StartRequest>(StartAsync),
            ["/process.Process/Connect"] = ConnectMethod.Streaming<ConnectRequest>(ConnectAsync),
            ["/process.Process/Update"] = ConnectMethod.Unary<UpdateRequest, UpdateResponse>(UpdateAsync),
            ["/process.Process/StreamInput"] = ConnectMethod.Streaming<StreamInputRequest>(StreamInputAsync),
            ["/process.Process/SendInput"] = ConnectMethod.Unary<SendInputRequest, SendInputResponse>(SendInputAsync),
            ["/process.Process/SendSignal"] = ConnectMethod.Unary<SendSignalRequest, SendSignalResponse>(SendSignalAsync),
            ["/process.Process/CloseStdin"] = ConnectMethod.Unary<CloseStdinRequest, CloseStdinResponse>(CloseStdinAsync),
        };
    }

    public IReadOnlyDictionary<string, ConnectMethod> Methods { get; }

    private static async Task<ListResponse> ListAsync(EnvdCall call, ListRequest request)
    {
        var response = new ListResponse();
        foreach (var info in (await call.Agent.ListProcessesAsync(call.Ended, environments: true)).Where(info => info.Exit is null))
        {
            var shown = new Wire.ProcessInfo { Pid = (uint)info.Pid, Config = new ProcessConfig { Cmd = info.Argv.Count > 0 ? info.Argv[0] : "", Cwd = info.Directory } };
            shown.Config.Args.AddRange(info.Argv.Skip(1));
            foreach (var (name, value) in info.Environment)
                shown.Config.Envs[name] = value;
            if (info.Tag.Length > 0)
                shown.Tag = info.Tag;
            response.Processes.Add(shown);
        }
        return response;
    }

    private async Task StartAsync(EnvdCall call, ConnectStream stream, StartRequest request)
    {
        var spec = ProcessSpecs.Of(call, request);
        using var limit = new CancellationTokenSource(StartLimit);
        AgentProcess started;
        try
        {
            started = await call.Agent.StartAsync(spec, limit.Token); // not given up with the client: one that was half started would be nobody's
        }
        catch (AgentException e) when (e.Code is AgentErrorCode.NotFound or AgentErrorCode.PermissionDenied or AgentErrorCode.FailedPrecondition)
        {
            throw ConnectException.Invalid(e.Message); // the command, or the directory
        }
        catch (OperationCanceledException)
        {
            throw new ConnectException("unavailable", $"the sandbox did not start the process within {StartLimit.TotalSeconds} seconds");
        }
        await using var process = started;
        using var killing = call.Over.Register(() => KillAsync(call, process.Key));
        _logs.Add(call.Sandbox.Id, "info", $"process {process.Pid} started: {string.Join(' ', spec.Argv)}", ("pid", $"{process.Pid}"), ("user", spec.User));
        await FollowAsync(call, stream, process, spec.Terminal is not null, happened =>
        {
            if (happened.End is { } end)
                _logs.Add(call.Sandbox.Id, end.ExitCode == 0 ? "info" : "warn", $"process {process.Pid} ended: {end.Status}", ("pid", $"{process.Pid}"));
            return new StartResponse { Event = happened };
        });
    }

    private static async Task ConnectAsync(EnvdCall call, ConnectStream stream, ConnectRequest request)
    {
        var info = await FindAsync(call, request.Process);
        await using var process = await call.Agent.FollowAsync(info.Key, call.Ended);
        await FollowAsync(call, stream, process, info.HasTerminal, happened => new ConnectResponse { Event = happened });
    }

    private static async Task StreamInputAsync(EnvdCall call, ConnectStream stream, StreamInputRequest first)
    {
        if (first.EventCase != StreamInputRequest.EventOneofCase.Start)
            throw ConnectException.Invalid("the first message must be start");
        var info = await FindRunningAsync(call, first.Start.Process);
        while (await stream.ReadAsync<StreamInputRequest>(call.Ended) is { } next)
        {
            if (next.EventCase == StreamInputRequest.EventOneofCase.Data)
                await WriteAsync(call, info, next.Data.Input);
        }
        await stream.StartAsync();
        await stream.SendAsync(new StreamInputResponse());
    }

    private static async Task<UpdateResponse> UpdateAsync(EnvdCall call, UpdateRequest request)
    {
        var info = await FindRunningAsync(call, request.Process);
        if (request.Pty?.Size is { } size)
            await call.Agent.ResizeAsync(info.Key, ProcessSpecs.SizeOf(size), call.Ended);
        return new UpdateResponse();
    }

    private static async Task<SendInputResponse> SendInputAsync(EnvdCall call, SendInputRequest request)
    {
        await WriteAsync(call, await FindRunningAsync(call, request.Process), request.Input);
        return new SendInputResponse();
    }

    private static async Task<CloseStdinResponse> CloseStdinAsync(EnvdCall call, CloseStdinRequest request)
    {
        var info = await FindRunningAsync(call, request.Process);
        if (info.HasTerminal)
            throw new ConnectException("failed_precondition", "the input of a terminal cannot be closed; send Ctrl+D (0x04) instead");
        await call.Agent.CloseInputAsync(info.Key, call.Ended);
        return new CloseStdinResponse();
    }

    private static async Task<SendSignalResponse> SendSignalAsync(EnvdCall call, SendSignalRequest request)
    {
        if (request.Signal is not (Signal.Sigterm or Signal.Sigkill))
            throw ConnectException.Invalid($"the signal {(int)request.Signal} is not known; use SIGNAL_SIGTERM or SIGNAL_SIGKILL");
        await call.Agent.SignalAsync((await FindRunningAsync(call, request.Process)).Key, (int)request.Signal, group: true, call.Ended);
        return new SendSignalResponse();
    }

    private static async Task FollowAsync(EnvdCall call, ConnectStream stream, AgentProcess process, bool hasTerminal, Func<ProcessEvent, IMessage> wrap)
    {
        await stream.StartAsync();
        await stream.SendAsync(wrap(new ProcessEvent { Start = new ProcessEvent.Types.StartEvent { Pid = (uint)process.Pid } }));
        await stream.SendAllAsync(process.ReadAsync(call.Ended), next => stream.SendAsync(wrap(ProcessEvents.Of(next, hasTerminal))),
            wrap(new ProcessEvent { Keepalive = new ProcessEvent.Types.KeepAlive() }), call.KeepAlive, call.Ended);
    }

    private static async void KillAsync(EnvdCall call, ProcessKey key) =>
        await call.Agent.SignalAsync(key, Kill, group: true, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static Task WriteAsync(EnvdCall call, GuestProcess info, ProcessInput? input)
    {
        var bytes = input?.InputCase switch
        {
            ProcessInput.InputOneofCase.Stdin when info.HasTerminal => throw new ConnectException("failed_precondition", "the process has a terminal: send the input as pty"),
            ProcessInput.InputOneofCase.Stdin => input.Stdin,
            ProcessInput.InputOneofCase.Pty when !info.HasTerminal => throw new ConnectException("failed_precondition", "the process has no terminal: send the input as stdin"),
            ProcessInput.InputOneofCase.Pty => input.Pty,
            _ => throw ConnectException.Invalid("input must be stdin or pty"),
        };
        return call.Agent.WriteInputAsync(info.Key, bytes.Memory, call.Ended);
    }

    private static async Task<GuestProcess> FindRunningAsync(EnvdCall call, ProcessSelector? selector) =>
        await FindAsync(call, selector) is { Exit: null } running ? running : throw NotFound(selector!);

    private static async Task<GuestProcess> FindAsync(EnvdCall call, ProcessSelector? selector)
    {
        Func<GuestProcess, bool> matches = selector?.SelectorCase switch
        {
            ProcessSelector.SelectorOneofCase.Pid => info => info.Pid == selector.Pid,
            ProcessSelector.SelectorOneofCase.Tag => info => info.Tag == selector.Tag && info.Tag.Length > 0,
            _ => throw ConnectException.Invalid("process must have a pid or a tag"),
        };
        var all = await call.Agent.ListProcessesAsync(call.Ended);
        return all.Where(matches).OrderBy(info => info.Exit is null).ThenBy(info => info.StartedAt).LastOrDefault() ?? throw NotFound(selector);
    }

    private static ConnectException NotFound(ProcessSelector selector) =>
        new("not_found", selector.SelectorCase == ProcessSelector.SelectorOneofCase.Pid ? $"process with pid {selector.Pid} not found" : $"process with tag {selector.Tag} not found");
}
