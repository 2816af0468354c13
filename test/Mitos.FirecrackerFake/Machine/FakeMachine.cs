using Mitos.Protocol.Messages;

namespace Mitos.FirecrackerFake.Machine;

/// <summary>A machine that runs or stands still. Whatever its guest does, it does under one lock: once <see cref="Pause"/> has returned, nothing changes.</summary>
internal sealed class FakeMachine
{
    private readonly object _gate = new();
    private readonly FakeGuest _guest;
    private readonly bool _holdsVsock;
    private bool _paused = true, _saved, _held;
    private int _waiting;

    public FakeMachine(DeviceState shape, GuestMemory memory, FakeDisks disks, VsockDevice? vsock, bool holdsVsockAfterBarePause)
    {
        (Shape, Memory, Disks, Vsock, _holdsVsock) = (shape, memory, disks, vsock, holdsVsockAfterBarePause);
        _guest = new FakeGuest(memory, disks, (ulong)(shape.Vsock?.ContextId ?? 0)) { Register = shape.Register, IsHalted = shape.IsHalted };
    }

    public DeviceState Shape { get; }

    public GuestMemory Memory { get; }

    public FakeDisks Disks { get; }

    public VsockDevice? Vsock { get; }

    public bool IsPaused => _paused;

    /// <summary>Snapshots so far: each cuts the streams that there were.</summary>
    public int Resets { get; private set; }

    /// <summary>Lets the devices and the guest begin; the machine stands still.</summary>
    public void Start(bool boots)
    {
        if (boots)
            _guest.Boot();
        Vsock?.Serve(this);
        new Thread(KeepInvariant) { IsBackground = true }.Start();
    }

    public void Pause() => Enter(() => _paused = true);

    // Whether it stands still or not: each resume kicks the device, and a defective one then waits for the guest's answer to an event that only a save sends.
    public void Resume() => Enter(() =>
    {
        _held = _holdsVsock && !_saved;
        (_paused, _saved) = (false, false);
        Monitor.PulseAll(_gate);
        return true;
    });

    /// <summary>A machine that a state was loaded into was saved before, if by another process.</summary>
    public void SetLoaded() => _saved = true;

    /// <summary>The devices settle, which writes guest memory and resets the vsock's transport; then the state is taken.</summary>
    /// <exception cref="InvalidOperationException">It runs.</exception>
    public DeviceState Save() => Enter(() =>
    {
        if (!_paused)
            throw new InvalidOperationException("save/restore unavailable while running");
        if (Vsock is not null)
            _guest.ResetTransport();
        Resets++;
        _saved = true;
        return Shape with { Drives = Disks.States, Register = _guest.Register, IsHalted = _guest.IsHalted };
    });

    /// <summary>The guest sees a host that wants a stream. Waits while it stands still. False when nobody answers, ever.</summary>
    public bool Connect() => Enter(() =>
    {
        WaitUntilRunning();
        if (_guest.IsHalted)
            return false;
        _guest.CountConnect();
        return true;
    });

    /// <summary>Waits until the guest runs and sees what hosts send.</summary>
    public void WaitForGuest() => Enter(() =>
    {
        WaitUntilRunning();
        return true;
    });

    /// <summary>The guest carries out a request, when it runs. Null when it is halted.</summary>
    public (MessageType Type, byte[] Payload)? Run(MessageType type, byte[] payload) => Enter<(MessageType, byte[])?>(() =>
    {
        WaitUntilRunning();
        if (_guest.IsHalted)
            return null;
        var answer = _guest.Run(type, payload);
        Monitor.PulseAll(_gate);
        return answer;
    });

    private T Enter<T>(Func<T> act)
    {
        Interlocked.Increment(ref _waiting);
        lock (_gate)
        {
            Interlocked.Decrement(ref _waiting);
            return act();
        }
    }

    private void WaitUntilRunning()
    {
        while (_paused || _held)
            Monitor.Wait(_gate);
    }

    private void KeepInvariant()
    {
        while (true)
        {
            lock (_gate)
            {
                while (_paused || !_guest.KeepsInvariant)
                    Monitor.Wait(_gate);
                _guest.Step();
            }
            while (Volatile.Read(ref _waiting) > 0)
                Thread.Yield(); // others come first
        }
    }
}
