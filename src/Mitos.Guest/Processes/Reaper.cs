using Mitos.Guest.Loop;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Processes;

/// <summary>
/// Collects every child that ends, also orphans of others: the duty of process 1. Children tell by SIGCHLD, which every thread
/// blocks (native/child_signal.c) and the loop reads from a descriptor.
/// </summary>
internal sealed unsafe class Reaper
{
    private readonly Action<int, int, int> _ended;
    private readonly int _signals;

    /// <param name="loop">Waits for the signal.</param>
    /// <param name="ended">Takes pid, exit code (128 + signal for a killed one) and signal (0: none).</param>
    public Reaper(EventLoop loop, Action<int, int, int> ended)
    {
        _ended = ended;
        var children = stackalloc ulong[16]; // sigset_t
        new Span<ulong>(children, 16).Clear();
        children[0] = 1UL << (17 /* SIGCHLD */ - 1);
        _signals = Libc.Signalfd(-1, children, 0x80000 | 0x800);
        if (_signals < 0)
            throw AgentError.FromLastError("the signal of children");
        loop.Add(_signals, EventLoop.In, _ => Collect());
    }

    private void Collect()
    {
        var record = stackalloc byte[128]; // struct signalfd_siginfo
        while (Libc.Read(_signals, record, 128) > 0)
        {
            // one signal stands for any number of children
        }
        var info = stackalloc int[32]; // siginfo_t as ints: [2] code, [4] pid, [6] status
        while (true)
        {
            info[4] = 0;
            if (Libc.Waitid(0 /* P_ALL */, 0, info, 4 | 1 /* WEXITED | WNOHANG */) != 0 || info[4] == 0)
                return;
            var (pid, signalled, status) = (info[4], info[2] != 1 /* CLD_EXITED */, info[6]);
            _ended(pid, signalled ? 128 + status : status, signalled ? status : 0);
        }
    }
}
