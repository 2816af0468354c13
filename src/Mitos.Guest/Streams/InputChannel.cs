using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Streams;

/// <summary>How the end of an input is told to its reader.</summary>
internal enum InputEnd
{
    /// <summary>A pipe is closed.</summary>
    Close,
    /// <summary>A terminal gets ^D, which a program reads as the end at the beginning of a line.</summary>
    Terminal,
    /// <summary>A socket is shut down for writing.</summary>
    Shutdown,
}

/// <summary>
/// A descriptor that is written from offset-numbered pieces: a piece that comes twice is taken once. Owns the descriptor. The
/// loop waits for it only while bytes wait, for a pipe without a reader reports that without end.
/// </summary>
internal sealed unsafe class InputChannel(EventLoop loop, int fd, InputEnd end)
{
    private const int MaxWaiting = 64 << 10, MaxRefused = 1 << 20;
    private readonly ByteQueue _queue = new();
    private readonly List<Action<AgentError?>> _waiters = [];
    private int _fd = fd;
    private bool _watched;
    private bool _closing;
    private AgentError? _failure;

    /// <summary>Offset up to which bytes were taken.</summary>
    public ulong Accepted { get; private set; }

    /// <summary>Takes bytes; <paramref name="done"/> is called when there is room for more, or with what went wrong.</summary>
    /// <exception cref="AgentError">A gap before the offset, or the input is closed.</exception>
    public void Write(ulong offset, ReadOnlySpan<byte> bytes, Action<AgentError?> done)
    {
        if (offset > Accepted && bytes.Length > 0)
            throw AgentError.Invalid($"Input at {offset}, but only {Accepted} bytes came before");
        bytes = bytes[(int)Math.Min(Accepted - Math.Min(offset, Accepted), (ulong)bytes.Length)..];
        if (bytes.Length > 0)
        {
            if (_failure is not null)
                throw _failure;
            if (_closing)
                throw new AgentError(AgentErrorCode.FailedPrecondition, "The input was closed", Errno.EPIPE);
            if (_queue.Length > MaxRefused)
                throw new AgentError(AgentErrorCode.Exhausted, "Too much input waits to be read; send more when the last piece was answered");
            Accepted += (ulong)bytes.Length;
            _queue.Add(bytes);
        }
        _waiters.Add(done);
        Flush();
    }

    /// <summary>The reader reads the end after what waits.</summary>
    public void End()
    {
        if (_closing)
            return;
        _closing = true;
        if (end == InputEnd.Terminal)
            _queue.Add([4]);
        Flush();
    }

    /// <summary>The reader is gone: what waits is dropped, and so is the descriptor.</summary>
    public void Fail(AgentError reason)
    {
        _failure ??= reason;
        _queue.Clear();
        Close();
        Answer(_failure);
    }

    private void Flush()
    {
        while (_fd >= 0 && _queue.Length > 0)
        {
            nint written;
            fixed (byte* data = _queue.Waiting)
                written = Libc.Write(_fd, data, (nuint)_queue.Length);
            if (written >= 0)
            {
                _queue.Skip((int)written);
            }
            else if (Libc.LastError == Errno.EAGAIN)
            {
                break;
            }
            else if (Libc.LastError != Errno.EINTR)
            {
                Fail(new AgentError(AgentErrorCode.FailedPrecondition, "Nobody reads the input any more", Libc.LastError));
                return;
            }
        }
        Watch(_fd >= 0 && _queue.Length > 0);
        if (_queue.Length <= MaxWaiting)
            Answer(null);
        if (_closing && _queue.Length == 0)
            TellEnd();
    }

    private void Answer(AgentError? error)
    {
        var waiters = _waiters.ToArray();
        _waiters.Clear();
        foreach (var waiter in waiters)
            waiter(error);
    }

    private void TellEnd()
    {
        if (end == InputEnd.Close)
            Close();
        else if (end == InputEnd.Shutdown && _fd >= 0)
            _ = Libc.Shutdown(_fd, 1 /* SHUT_WR */);
    }

    private void Watch(bool wanted)
    {
        if (wanted && !_watched)
            loop.Add(_fd, EventLoop.Out, _ => Flush());
        else if (!wanted && _watched)
            loop.Remove(_fd);
        _watched = wanted;
    }

    private void Close()
    {
        if (_fd < 0)
            return;
        Watch(false);
        _ = Libc.Close(_fd);
        _fd = -1;
    }
}
