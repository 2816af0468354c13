using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Processes;

/// <summary>
/// A process that the host started, with its pipes or terminal. With a subscriber no byte is dropped: what it has not taken
/// stays in the ring, and a full ring stops the reading; so it is for a while when the stream to it broke. Without one the
/// oldest bytes go, so the process never blocks.
/// </summary>
internal sealed unsafe class GuestProcess
{
    /// <summary>After the process ended, others may hold its pipes open: output is awaited this long since its last byte.</summary>
    private const int QuietMs = 100;
    private const int MaxPendingInput = 64 << 10;
    private static readonly byte[] Scratch = new byte[16 << 10];

    private readonly EventLoop _loop;
    private readonly Action<GuestProcess> _changed;
    private readonly bool _terminal;
    private int _input = -1;
    private readonly Channel _stdout;
    private readonly Channel? _stderr;
    private byte[] _pending = [];
    private bool _closeInput;
    private Action<ulong>? _inputWaiter;
    private ulong _inputAccepted;
    private long _lastOutput;
    private bool _retain = true; // a subscriber follows the start

    private GuestProcess(EventLoop loop, StartRequest request, Account account, int pid, int input, int output, int error, Action<GuestProcess> changed)
    {
        (_loop, _changed, _terminal) = (loop, changed, request.Terminal);
        (Key, Argv, Directory, User, Pid) = (request.Key, request.Argv, request.Directory, account.Name, pid);
        StartedUnixMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        _input = input;
        _stdout = new Channel(output);
        _stderr = error >= 0 ? new Channel(error) : null;
        if (_terminal)
        {
            loop.Add(output, EventLoop.In, OnTerminal);
            return;
        }
        loop.Add(output, EventLoop.In, _ => ReadFrom(_stdout));
        if (_stderr is not null)
            loop.Add(error, EventLoop.In, _ => ReadFrom(_stderr));
        if (input >= 0)
            loop.Add(input, 0, _ => WriteInput());
    }

    public ProcessKey Key { get; }

    public int Pid { get; }

    public string[] Argv { get; }

    public string Directory { get; }

    public string User { get; }

    public long StartedUnixMs { get; }

    /// <summary>Exit code, or 128 + signal; null while it runs.</summary>
    public int? ExitCode { get; private set; }

    /// <summary>The signal that ended it; 0: none.</summary>
    public int ExitSignal { get; private set; }

    /// <summary>Whether no more output will come.</summary>
    public bool OutputEnded => _stdout.Ended && (_stderr?.Ended ?? true);

    /// <summary>The subscription's request id; null: nobody takes the output.</summary>
    public uint? Subscriber { get; private set; }

    /// <summary>Whether the subscriber was told of the end.</summary>
    public bool EndSent { get; set; }

    public static GuestProcess Start(EventLoop loop, StartRequest request, Account account, Dictionary<string, string> environment, Action<GuestProcess> changed)
    {
        var directory = request.Directory.Length > 0 ? request.Directory : account.Home;
        if (request.Directory.Length == 0 && !System.IO.Directory.Exists(directory))
            directory = "/";
        using var pipes = new ProcessPipes(request);
        var flags = Spawn.NewSession | (request.Terminal ? Spawn.ControllingTerminal : 0)
            | (Environment.IsPrivilegedProcess ? Spawn.SetIdentity : 0);
        var pid = Spawn.Start(request.Argv, environment, directory, account, pipes.ChildSide, flags);
        var (input, output, error) = pipes.TakeOurSide();
        var process = new GuestProcess(loop, request with { Directory = directory }, account, pid, input, output, error, changed);
        if (request.TimeoutMs > 0)
            loop.After(request.TimeoutMs, process.TimeOut);
        return process;
    }

    public void Resize(int rows, int columns)
    {
        if (!_terminal)
            throw new AgentError(AgentErrorCode.FailedPrecondition, "The process has no terminal");
        ProcessPipes.SetSize(_stdout.Descriptor, rows, columns);
    }

    public void Signal(int signal, bool group)
    {
        if (ExitCode is not null)
            throw new AgentError(AgentErrorCode.FailedPrecondition, $"Process {Pid} has ended already");
        if (Libc.Kill(group ? -Pid : Pid, signal) != 0)
            throw AgentError.FromLastError($"signal {signal} to process {Pid}");
    }

    /// <summary>Takes input from an absolute offset; what was taken before is skipped. Answers when there is room for more.</summary>
    public void Input(ulong offset, ReadOnlySpan<byte> bytes, Action<ulong> accepted)
    {
        if (_terminal ? _stdout.Ended : _input < 0)
            throw new AgentError(AgentErrorCode.FailedPrecondition, "The process takes no input (it was started without, it was closed, or the process ended)", Errno.EPIPE);
        if (offset > _inputAccepted)
            throw AgentError.Invalid($"Input at {offset}, but only {_inputAccepted} bytes came before");
        var skip = (int)Math.Min(_inputAccepted - offset, (ulong)bytes.Length);
        bytes = bytes[skip..];
        _inputAccepted += (ulong)bytes.Length;
        var joined = new byte[_pending.Length + bytes.Length];
        _pending.CopyTo(joined, 0);
        bytes.CopyTo(joined.AsSpan(_pending.Length));
        _pending = joined;
        _inputWaiter = accepted;
        WriteInput();
    }

    public void CloseInput()
    {
        _closeInput = true;
        if (_terminal && _pending.Length == 0 && !_stdout.Ended)
            Input(_inputAccepted, [4], _ => { }); // ^D: what closing means to a terminal
        else
            WriteInput();
    }

    public (ulong Stdout, ulong Stderr) Subscribe(uint id, ulong stdoutFrom, ulong stderrFrom)
    {
        Subscriber = id;
        _retain = true;
        EndSent = false;
        var result = (_stdout.Seek(stdoutFrom), _stderr?.Seek(stderrFrom) ?? 0);
        return result;
    }

    /// <param name="retain">The subscriber may come back: nothing is dropped until <see cref="Release"/>.</param>
    public void Unsubscribe(bool retain)
    {
        Subscriber = null;
        if (!retain)
            Release();
    }

    /// <summary>Drops the oldest output from here on, if nobody has subscribed again.</summary>
    public void Release()
    {
        if (Subscriber is not null)
            return;
        _retain = false;
        Resume(_stdout);
        Resume(_stderr);
    }

    public void Acknowledge(OutputStream stream, ulong offset)
    {
        var channel = stream == OutputStream.Stderr ? _stderr : _stdout;
        if (channel is null)
            return;
        channel.Ring.Release(Math.Min(offset, channel.Sent));
        Resume(channel);
    }

    /// <summary>Takes the next bytes that the subscriber has not been sent.</summary>
    public bool TryTakeOutput(Span<byte> target, out OutputStream stream, out ulong offset, out int count)
    {
        stream = OutputStream.Stdout;
        if (_stdout.TryTake(target, out offset, out count))
            return true;
        stream = OutputStream.Stderr;
        return _stderr is not null && _stderr.TryTake(target, out offset, out count);
    }

    /// <summary>The reaper saw it end.</summary>
    public void OnExit(int code, int signal)
    {
        (ExitCode, ExitSignal) = (code, signal);
        CloseDescriptor(ref _input);
        _inputWaiter = null;
        _lastOutput = Environment.TickCount64;
        AwaitQuiet();
        _changed(this);
    }

    public void Close()
    {
        CloseDescriptor(ref _input);
        End(_stdout);
        if (_stderr is not null)
            End(_stderr);
    }

    private void AwaitQuiet()
    {
        if (OutputEnded)
            return;
        var quiet = Environment.TickCount64 - _lastOutput;
        if (quiet >= QuietMs && !_stdout.Stopped && _stderr is not { Stopped: true })
        {
            Close();
            _changed(this);
            return;
        }
        _loop.After((int)Math.Max(10, QuietMs - quiet), AwaitQuiet);
    }

    private void OnTerminal(uint events)
    {
        if ((events & (EventLoop.In | EventLoop.HangUp | EventLoop.Error)) != 0)
            ReadFrom(_stdout);
        if ((events & EventLoop.Out) != 0)
            WriteInput();
    }

    private void ReadFrom(Channel channel)
    {
        if (channel.Ended)
            return;
        var room = !_retain ? Scratch.Length : Math.Min(Scratch.Length, channel.Ring.Free);
        if (room == 0)
        {
            channel.Stopped = true;
            _loop.Remove(channel.Descriptor);
            return;
        }
        nint got;
        fixed (byte* data = Scratch)
            got = Libc.Read(channel.Descriptor, data, (nuint)room);
        if (got < 0 && Libc.LastError is (Errno.EAGAIN or Errno.EINTR))
            return;
        if (got <= 0)
            End(channel); // a terminal says EIO when the last process has closed it
        else
            channel.Ring.Append(Scratch.AsSpan(0, (int)got));
        _lastOutput = Environment.TickCount64;
        _changed(this);
    }

    private void Resume(Channel? channel)
    {
        if (channel is not { Stopped: true, Ended: false } || (_retain && channel.Ring.Free < OutputRing.Capacity / 4))
            return;
        channel.Stopped = false;
        if (_terminal)
            _loop.Add(channel.Descriptor, EventLoop.In | (_pending.Length > 0 ? EventLoop.Out : 0), OnTerminal);
        else
            _loop.Add(channel.Descriptor, EventLoop.In, _ => ReadFrom(channel));
    }

    private void End(Channel channel)
    {
        if (channel.Ended)
            return;
        channel.Ended = true;
        _loop.Remove(channel.Descriptor);
        _ = Libc.Close(channel.Descriptor);
    }

    private void WriteInput()
    {
        var fd = _terminal ? (_stdout.Ended ? -1 : _stdout.Descriptor) : _input;
        while (fd >= 0 && _pending.Length > 0)
        {
            nint written;
            fixed (byte* data = _pending)
                written = Libc.Write(fd, data, (nuint)_pending.Length);
            if (written < 0 && Libc.LastError == Errno.EINTR)
                continue;
            if (written < 0 && Libc.LastError == Errno.EAGAIN)
                break;
            if (written < 0)
            {
                _pending = []; // EPIPE: the process reads no more
                CloseDescriptor(ref _input);
                break;
            }
            _pending = _pending[(int)written..];
        }
        if (_pending.Length <= MaxPendingInput && _inputWaiter is { } waiter)
        {
            _inputWaiter = null;
            waiter(_inputAccepted);
        }
        if (_pending.Length == 0 && _closeInput && !_terminal)
            CloseDescriptor(ref _input);
        if (_terminal && !_stdout.Ended && !_stdout.Stopped)
            _loop.Change(_stdout.Descriptor, EventLoop.In | (_pending.Length > 0 ? EventLoop.Out : 0));
        else if (_input >= 0)
            _loop.Change(_input, _pending.Length > 0 ? EventLoop.Out : 0);
    }

    private void TimeOut()
    {
        if (ExitCode is not null)
            return;
        _ = Libc.Kill(-Pid, 15);
        _loop.After(2000, () =>
        {
            if (ExitCode is null)
                _ = Libc.Kill(-Pid, 9);
        });
    }

    private void CloseDescriptor(ref int fd)
    {
        if (fd < 0)
            return;
        _loop.Remove(fd);
        _ = Libc.Close(fd);
        fd = -1;
    }

    private sealed class Channel(int descriptor)
    {
        public readonly OutputRing Ring = new();

        public int Descriptor { get; } = descriptor;

        /// <summary>Offset up to which the subscriber was sent output.</summary>
        public ulong Sent { get; private set; }

        public bool Ended { get; set; }

        /// <summary>Not read for want of room.</summary>
        public bool Stopped { get; set; }

        public ulong Seek(ulong offset) => Sent = Math.Clamp(offset, Ring.Start, Ring.End);

        public bool TryTake(Span<byte> target, out ulong offset, out int count)
        {
            Sent = Math.Max(Sent, Ring.Start);
            offset = Sent;
            count = Ring.Read(Sent, target);
            Sent += (ulong)count;
            return count > 0;
        }
    }
}
