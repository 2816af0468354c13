using System.Runtime.InteropServices;

namespace Mitos.Linux;

/// <summary>A system call failed.</summary>
public sealed class LinuxException(string call, int errno, string subject)
    : IOException($"{call} failed for {subject}: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).")
{
    /// <summary>Name of the call, or of the step for calls that have several.</summary>
    public string Call { get; } = call;

    /// <summary>The error number, positive.</summary>
    public int Errno { get; } = errno;

    /// <summary>The file, process or socket that it was for.</summary>
    public string Subject { get; } = subject;

    /// <summary>From the error number that the last call of this thread left.</summary>
    public static LinuxException FromLastError(string call, string subject) => new(call, Marshal.GetLastPInvokeError(), subject);
}
