using Mitos.Guest.Native;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Sessions;

/// <summary>A refusal that is sent to the host as it is.</summary>
internal sealed class AgentError(AgentErrorCode code, string message, int errno = 0) : Exception(message)
{
    public AgentErrorCode Code { get; } = code;

    public int Errno { get; } = errno;

    public static AgentError Invalid(string message) => new(AgentErrorCode.InvalidArgument, message);

    /// <summary>From the last failed call.</summary>
    public static AgentError FromLastError(string what) => From(Libc.LastError, what);

    public static AgentError From(int errno, string what)
    {
        var code = errno switch
        {
            Native.Errno.ENOENT or Native.Errno.ESRCH => AgentErrorCode.NotFound,
            Native.Errno.EACCES or Native.Errno.EPERM => AgentErrorCode.PermissionDenied,
            Native.Errno.EEXIST => AgentErrorCode.AlreadyExists,
            Native.Errno.EINVAL or Native.Errno.ENAMETOOLONG => AgentErrorCode.InvalidArgument,
            Native.Errno.ENOSPC => AgentErrorCode.Exhausted,
            _ => AgentErrorCode.FailedPrecondition,
        };
        return new AgentError(code, $"{what}: {Native.Errno.Describe(errno)}", errno);
    }
}
