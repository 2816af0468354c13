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

    /// <summary>Makes another, for cards. It lives as long as its descriptor and what is in it.</summary>
    /// <exception cref="LinuxException">The kernel has none, or we may not make one.</exception>
    public static SafeFileHandle Create() => OnThread(() => Libc.Unshare(Sched.CLONE_NEWNET) == 0
        ? FileDescriptors.OpenNamespace("/proc/thread-self/ns/net") : throw LinuxException.FromLastError("unshare", "a network namespace"));

    /// <summary>Does something in a namespace, on a thread that ends with it.</summary>
    /// <exception cref="LinuxException">It cannot be entered; or what is done throws it.</exception>
    public static T Run<T>(SafeFileHandle network, Func<T> act) => OnThread(() => Libc.Setns(network, Sched.CLONE_NEWNET) == 0
        ? act() : throw LinuxException.FromLastError("setns", "a network namespace"));

    private static SafeFileHandle? Make()
    {
        try
        {
            return Create();
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    // A thread of its own takes the namespace along when it ends.
    private static T OnThread<T>(Func<T> act)
    {
        T? result = default;
        LinuxException? error = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = act();
            }
            catch (LinuxException e)
            {
                error = e;
            }
        });
        thread.Start();
        thread.Join();
        return error is null ? result! : throw error;
    }
}
