using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using Mitos.Linux.Files;

namespace Mitos.Linux.Processes;

/// <summary>A network that leads nowhere: no interface but a loopback that is down. One for all processes that are to have none, for each of its own would cost the kernel 100 KiB and more.</summary>
public static class NetworkNamespace
{
    private static readonly Lazy<SafeFileHandle?> Made = new(Make);

    /// <summary>The namespace; null where the kernel has none or we may not make one. Lives as long as this process and those in it.</summary>
    public static SafeFileHandle? Empty => Made.Value;

    // A thread of its own takes it along when it ends; the descriptor keeps it.
    private static SafeFileHandle? Make()
    {
        SafeFileHandle? made = null;
        var thread = new Thread(() =>
        {
            if (Libc.Unshare(Sched.CLONE_NEWNET) == 0)
                made = FileDescriptors.OpenNamespace("/proc/thread-self/ns/net");
        });
        thread.Start();
        thread.Join();
        return made;
    }
}
