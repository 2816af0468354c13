using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;
using Mitos.Guest.Streams;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Ports;

/// <summary>
/// A connection to a port inside the guest. What the host has not acknowledged is kept also while it is away: then TCP's own
/// flow control holds the other side back.
/// </summary>
internal sealed unsafe class PortEndpoint : Endpoint
{
    private readonly OutputChannel[] _outputs;
    private readonly int _socket;

    /// <param name="loop">Waits for it.</param>
    /// <param name="key">Chosen by the host.</param>
    /// <param name="socket">Connected; from here on this object's.</param>
    /// <param name="changed">It has more output, or ended.</param>
    /// <exception cref="AgentError">Too many open files.</exception>
    public PortEndpoint(EventLoop loop, ProcessKey key, int socket, Action<PortEndpoint> changed)
        : base(key)
    {
        _socket = socket;
        // Three descriptors of one socket: reading and writing are waited for, and closed, apart; the third is for its options.
        int reading = Copy(), writing = Copy();
        if (reading < 0 || writing < 0)
        {
            var error = AgentError.FromLastError("a stream");
            _ = Libc.Close(reading);
            _ = Libc.Close(writing);
            _ = Libc.Close(socket);
            throw error;
        }
        _outputs = [new OutputChannel(loop, reading, () => changed(this)) { Guarded = true }];
        Input = new InputChannel(loop, writing, InputEnd.Shutdown);
    }

    public override IReadOnlyList<OutputChannel> Outputs => _outputs;

    public override InputChannel Input { get; }

    protected override bool AlwaysGuarded => true;

    /// <param name="code">Error number; 0: the other side closed regularly.</param>
    /// <param name="signal">0.</param>
    public override bool TryGetEnd(out int code, out int signal)
    {
        (code, signal) = (_outputs[0].Errno, 0);
        return _outputs[0].Ended;
    }

    /// <param name="reset">Tells the other side that it was broken off.</param>
    public void Close(bool reset)
    {
        if (reset)
        {
            var linger = stackalloc int[2] { 1, 0 };
            _ = Libc.Setsockopt(_socket, 1 /* SOL_SOCKET */, 13 /* SO_LINGER */, linger, 8);
        }
        Input.Fail(new AgentError(AgentErrorCode.FailedPrecondition, "The stream was closed", Errno.EPIPE));
        _outputs[0].Close();
        _ = Libc.Close(_socket);
    }

    private int Copy() => Libc.Fcntl(_socket, 1030 /* F_DUPFD_CLOEXEC */, 0);
}
