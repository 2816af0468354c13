using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using static Mitos.Linux.Abi.Signals;
using static Mitos.Linux.Abi.SysSyscall;
using static Mitos.Linux.Abi.SysWait;

namespace Mitos.Linux.Processes;

/// <summary>A process, held by a pidfd: signals and waiting can never hit another process that got the same number.</summary>
public sealed unsafe class HostProcess : IDisposable
{
    private readonly SafeFileHandle _pidfd;
    private readonly bool _isChild;

    internal HostProcess(int pid, SafeFileHandle pidfd, bool isChild)
    {
        Id = pid;
        _pidfd = pidfd;
        _isChild = isChild;
        StartTime = ReadStartTime(pid);
        Exited = ProcessExits.WatchAsync(_pidfd);
        if (isChild)
            Exited = Exited.ContinueWith(_ => Reap(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    public int Id { get; }

    /// <summary>Clock ticks since boot at its start (field 22 of /proc/PID/stat): with the id it names one process of this boot.</summary>
    public ulong StartTime { get; }

    /// <summary>Completes when the process has ended (and, being ours, has been reaped).</summary>
    public Task Exited { get; }

    public bool HasExited => Exited.IsCompleted;

    /// <summary>Opens a running process, if it is still the one that started at <paramref name="startTime"/>.</summary>
    public static HostProcess? TryOpen(int pid, ulong startTime)
    {
        var fd = (int)Libc.Syscall(SYS_pidfd_open, pid, 0, 0, 0);
        if (fd < 0)
            return null;
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        if (ReadStartTime(pid) == startTime && startTime != 0)
            return new HostProcess(pid, handle, isChild: false);
        handle.Dispose();
        return null;
    }

    /// <summary>Opens whatever process has this number now; null when none has.</summary>
    public static HostProcess? TryOpenAny(int pid) => TryOpen(pid, ReadStartTime(pid));

    /// <summary>Sends a signal. False when the process has already ended.</summary>
    public bool TrySignal(int signal)
    {
        try
        {
            return Libc.Syscall(SYS_pidfd_send_signal, _pidfd, signal, 0, 0) == 0;
        }
        catch (ObjectDisposedException)
        {
            return false; // it ended, and we were done with it
        }
    }

    /// <summary>Sends SIGKILL.</summary>
    public void Kill() => TrySignal(SIGKILL);

    /// <summary>User and system time of all its threads so far; zero when it has ended.</summary>
    public TimeSpan ReadCpuTime()
    {
        var fields = ReadStat(Id);
        if (fields.Length <= 19 || ulong.Parse(fields[19], CultureInfo.InvariantCulture) != StartTime)
            return TimeSpan.Zero;
        var ticks = long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
        return TimeSpan.FromMilliseconds(ticks * 10); // USER_HZ is 100 on every Linux
    }

    public void Dispose()
    {
        // Until it has ended the watcher needs the descriptor.
        Exited.ContinueWith(_ => _pidfd.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static ulong ReadStartTime(int pid)
    {
        var fields = ReadStat(pid);
        return fields.Length > 19 ? ulong.Parse(fields[19], CultureInfo.InvariantCulture) : 0;
    }

    // The fields after the name, which is in parentheses and may hold anything: [0] is the state, field 3 of proc(5).
    private static string[] ReadStat(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return [];
        }
    }

    private void Reap()
    {
        if (!_isChild)
            return;
        _ = Libc.Waitid(P_PIDFD, (uint)_pidfd.DangerousGetHandle(), null, WEXITED, null);
    }
}
