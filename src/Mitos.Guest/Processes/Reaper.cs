using Mitos.Guest.Loop;
using Mitos.Guest.Native;

namespace Mitos.Guest.Processes;

/// <summary>Collects every child that ends, also orphans of others: the duty of process 1. Sleeps in the kernel in between.</summary>
internal sealed unsafe class Reaper(EventLoop loop, Action<int, int, int> ended)
{
    private readonly AutoResetEvent _children = new(false);
    private bool _started;

    /// <summary>There is a child to wait for.</summary>
    public void Notify()
    {
        if (!_started)
        {
            _started = true;
            new Thread(Run, 128 << 10) { IsBackground = true }.Start();
        }
        _children.Set();
    }

    private void Run()
    {
        var info = stackalloc int[32]; // siginfo_t as ints: [2] code, [4] pid, [6] status
        while (true)
        {
            if (Libc.Waitid(0 /* P_ALL */, 0, info, 4 /* WEXITED */) != 0)
            {
                if (Libc.LastError == Errno.ECHILD)
                    _children.WaitOne();
                continue;
            }
            var (pid, signalled, status) = (info[4], info[2] != 1 /* CLD_EXITED */, info[6]);
            var (code, signal) = signalled ? (128 + status, status) : (status, 0);
            loop.Post(() => ended(pid, code, signal));
        }
    }
}
