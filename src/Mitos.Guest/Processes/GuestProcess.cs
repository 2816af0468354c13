using Mitos.Guest.Files;
using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Guest.Streams;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>A process that the host started, with its pipes or its terminal.</summary>
internal sealed class GuestProcess : Endpoint
{
    /// <summary>How long the group of a process that is out of time has between SIGTERM and SIGKILL.</summary>
    private const int TerminationMs = 2000;
    private readonly OutputChannel[] _outputs;
    private readonly LoopTimer? _timeout;
    private readonly ExitWatch _exit;

    private GuestProcess(EventLoop loop, StartRequest request, Account account, int pid, ProcessPipes pipes, Action<GuestProcess> changed)
        : base(request.Key)
    {
        (Pid, Argv, Directory, OwnEnvironment, User, Tag, HasTerminal) = (pid, request.Argv, request.Directory, request.Environment, account.Name, request.Tag, request.Terminal);
        StartedUnixMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        var (input, output, error) = pipes.TakeOurSide();
        _exit = new ExitWatch(loop, () => changed(this));
        _outputs = error < 0
            ? [new OutputChannel(loop, output, _exit.OnOutput)]
            : [new OutputChannel(loop, output, _exit.OnOutput), new OutputChannel(loop, error, _exit.OnOutput)];
        _exit.Outputs = _outputs;
        if (input >= 0)
            Input = new InputChannel(loop, input, HasTerminal ? InputEnd.Terminal : InputEnd.Close);
        if (request.TimeoutMs > 0)
            _timeout = loop.After(request.TimeoutMs, () => TimeOut(loop));
    }

    public string[] Argv { get; }

    public string Directory { get; }

    /// <summary>What it was started with of its own.</summary>
    public Dictionary<string, string> OwnEnvironment { get; }

    public string User { get; }

    /// <summary>What the host calls it; may be empty.</summary>
    public string Tag { get; }

    public bool HasTerminal { get; }

    public long StartedUnixMs { get; }

    /// <summary>Exit code, or 128 + signal; null while it runs.</summary>
    public int? ExitCode { get; private set; }

    /// <summary>The signal that ended it; 0: none.</summary>
    public int ExitSignal { get; private set; }

    public override IReadOnlyList<OutputChannel> Outputs => _outputs;

    public override InputChannel? Input { get; }

    /// <summary>Starts it as the request says.</summary>
    /// <param name="loop">Waits for its output.</param>
    /// <param name="request">What to start.</param>
    /// <param name="account">Whose process.</param>
    /// <param name="environment">All of its environment.</param>
    /// <param name="changed">It has more output, or ended.</param>
    /// <exception cref="AgentError">NotFound for a command or directory that is not there, and so on.</exception>
    public static GuestProcess Start(EventLoop loop, StartRequest request, Account account, Dictionary<string, string> environment, Action<GuestProcess> changed)
    {
        var directory = request.Directory.Length > 0 ? GuestPath.Resolve(request.Directory, account) : account.Home;
        if (request.Directory.Length == 0 && !System.IO.Directory.Exists(directory))
            directory = "/"; // as login(1) does
        using var pipes = new ProcessPipes(request);
        pipes.GiveTo(account);
        var flags = Spawn.NewSession | (request.Terminal ? Spawn.ControllingTerminal : 0)
            | (Environment.IsPrivilegedProcess ? Spawn.SetIdentity : 0);
        var pid = Spawn.Start(request.Argv, environment, directory, account, pipes.ChildSide, flags);
        return new GuestProcess(loop, request with { Directory = directory }, account, pid, pipes, changed);
    }

    public override bool TryGetEnd(out int code, out int signal)
    {
        (code, signal) = (ExitCode ?? 0, ExitSignal);
        return _exit.IsOver;
    }

    /// <exception cref="AgentError">FailedPrecondition: it has no terminal, or has ended.</exception>
    public void Resize(int rows, int columns)
    {
        if (rows is < 1 or > ushort.MaxValue || columns is < 1 or > ushort.MaxValue)
            throw AgentError.Invalid($"A terminal of {rows} rows and {columns} columns; both are 1 to {ushort.MaxValue}");
        if (!HasTerminal || _outputs[0].Descriptor < 0)
            throw new AgentError(AgentErrorCode.FailedPrecondition, HasTerminal ? $"Process {Pid} has ended already" : "The process has no terminal");
        ProcessPipes.SetSize(_outputs[0].Descriptor, rows, columns);
    }

    /// <exception cref="AgentError">FailedPrecondition: it has ended. InvalidArgument: no such signal.</exception>
    public void Signal(int signal, bool group)
    {
        if (signal is < 1 or > 64)
            throw AgentError.Invalid($"There is no signal {signal}; they are 1 to 64");
        if (ExitCode is not null)
            throw new AgentError(AgentErrorCode.FailedPrecondition, $"Process {Pid} has ended already");
        if (Libc.Kill(group ? -Pid : Pid, signal) != 0)
            throw AgentError.FromLastError($"signal {signal} to process {Pid}");
    }

    /// <summary>The reaper saw it end.</summary>
    public void OnExit(int code, int signal)
    {
        (ExitCode, ExitSignal) = (code, signal);
        _timeout?.Cancel();
        Input?.Fail(new AgentError(AgentErrorCode.FailedPrecondition, $"Process {Pid} has ended already and reads no input", Errno.EPIPE));
        _exit.Begin();
    }

    protected override void RoomMade() => _exit.OnRoom();

    private void TimeOut(EventLoop loop)
    {
        _ = Libc.Kill(-Pid, 15);
        loop.After(TerminationMs, () =>
        {
            if (ExitCode is null)
                _ = Libc.Kill(-Pid, 9);
        });
    }
}
