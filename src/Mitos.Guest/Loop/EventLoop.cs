using Mitos.Guest.Native;

namespace Mitos.Guest.Loop;

/// <summary>Waits for descriptors, posted work and timers on one thread. Asleep it costs nothing: no ticks.</summary>
internal sealed unsafe class EventLoop
{
    public const uint In = 1, Out = 4, Error = 8, HangUp = 16, EdgeTriggered = 1u << 31;

    private readonly int _epoll = Libc.EpollCreate1(0x80000);
    private readonly int _wake = Libc.Eventfd(0, 0x80000 | 0x800);
    private readonly Dictionary<int, Action<uint>> _handlers = [];
    private readonly Queue<Action> _posted = new();
    private readonly PriorityQueue<LoopTimer, long> _timers = new();
    private readonly EpollEvent[] _events = new EpollEvent[32];

    /// <summary>Called when all that was there to do is done, before it waits again.</summary>
    public Action? Settled { get; set; }

    public EventLoop() => Add(_wake, In, _ => Drain());

    public void Add(int fd, uint events, Action<uint> handler)
    {
        _handlers[fd] = handler;
        Control(1, fd, events);
    }

    public void Change(int fd, uint events) => Control(3, fd, events);

    /// <summary>Forgets a descriptor; the caller closes it.</summary>
    public void Remove(int fd)
    {
        if (_handlers.Remove(fd))
            Control(2, fd, 0);
    }

    /// <summary>Runs an action on the loop's thread. The one method for other threads.</summary>
    public void Post(Action action)
    {
        lock (_posted)
            _posted.Enqueue(action);
        ulong one = 1;
        _ = Libc.Write(_wake, &one, 8);
    }

    public LoopTimer After(int milliseconds, Action action)
    {
        var timer = new LoopTimer(action);
        _timers.Enqueue(timer, Environment.TickCount64 + milliseconds);
        return timer;
    }

    public void Run()
    {
        fixed (EpollEvent* events = _events)
        {
            while (true)
            {
                var count = Libc.EpollWait(_epoll, events, _events.Length, UntilTimer());
                for (var i = 0; i < count; i++)
                {
                    // One event may remove another's descriptor, or even give its number to a new one: handlers do not block.
                    if (_handlers.TryGetValue((int)events[i].Data, out var handler))
                        Guard(handler, events[i].Events);
                }
                while (_timers.TryPeek(out var timer, out var due) && due <= Environment.TickCount64)
                {
                    _timers.Dequeue();
                    Guard(_ => timer.Fire(), 0);
                }
                Settled?.Invoke();
            }
        }
    }

    // A defect of ours must not end the machine: process 1 says what happened and serves on.
    private static void Guard(Action<uint> handler, uint events)
    {
        try
        {
            handler(events);
        }
        catch (Exception e)
        {
            Boot.BootConsole.Say($"a defect of the agent: {e}");
        }
    }

    private int UntilTimer() =>
        _timers.TryPeek(out _, out var due) ? (int)Math.Clamp(due - Environment.TickCount64, 0, int.MaxValue) : -1;

    private void Drain()
    {
        ulong count;
        _ = Libc.Read(_wake, &count, 8);
        while (true)
        {
            Action action;
            lock (_posted)
            {
                if (_posted.Count == 0)
                    return;
                action = _posted.Dequeue();
            }
            Guard(_ => action(), 0);
        }
    }

    private void Control(int operation, int fd, uint events)
    {
        var change = new EpollEvent { Events = events, Data = fd };
        _ = Libc.EpollCtl(_epoll, operation, fd, &change);
    }
}
