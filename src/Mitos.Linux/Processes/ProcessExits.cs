using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.SysEpoll;

namespace Mitos.Linux.Processes;

/// <summary>One thread that learns of the end of all watched processes: a pidfd becomes readable.</summary>
internal static unsafe class ProcessExits
{
    private static readonly ConcurrentDictionary<ulong, TaskCompletionSource> Watched = new();
    private static readonly int Epoll = Start();
    private static ulong _last;

    public static Task WatchAsync(SafeFileHandle pidfd)
    {
        var key = Interlocked.Increment(ref _last);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Watched[key] = ended;
        var change = new EpollEvent { Events = EPOLLIN | EPOLLONESHOT, Data = key };
        if (Libc.EpollCtl(Epoll, EPOLL_CTL_ADD, (int)pidfd.DangerousGetHandle(), &change) != 0)
            throw LinuxException.FromLastError("epoll_ctl", "a process descriptor");
        return ended.Task;
    }

    private static int Start()
    {
        var epoll = Libc.EpollCreate1(EPOLL_CLOEXEC);
        new Thread(() => Run(epoll)) { IsBackground = true, Name = "process exits" }.Start();
        return epoll;
    }

    private static void Run(int epoll)
    {
        var events = stackalloc EpollEvent[64];
        while (true)
        {
            var count = Libc.EpollWait(epoll, events, 64, -1);
            for (var i = 0; i < count; i++)
            {
                if (Watched.TryRemove(events[i].Data, out var ended))
                    ended.SetResult();
            }
        }
    }
}
