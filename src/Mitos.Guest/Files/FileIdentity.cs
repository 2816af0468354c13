using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Guest.Sessions;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Files;

/// <summary>
/// Makes the calling thread use files as a user: setfsuid, setfsgid and setgroups are per thread in the kernel (setfsuid(2)),
/// and with a file-system uid other than 0 the kernel drops the file capabilities. Only the file worker's thread does this.
/// </summary>
internal static unsafe class FileIdentity
{
    private const int SetGroups = 116, SetFsUid = 122, SetFsGid = 123, Query = -1;

    /// <exception cref="AgentError">Internal: the kernel did not do it; nothing may then be done in the user's name.</exception>
    public static void Become(Account account)
    {
        if (!Environment.IsPrivilegedProcess)
            return;
        nint failed;
        fixed (uint* groups = account.Groups)
            failed = Libc.Syscall(SetGroups, account.Groups.Length, (nint)groups, 0, 0, 0);
        Libc.Syscall(SetFsGid, (nint)account.GroupId, 0, 0, 0, 0);
        Libc.Syscall(SetFsUid, (nint)account.UserId, 0, 0, 0, 0);
        // These two report no failure; asking for an impossible id tells the current one.
        if (failed != 0 || (uint)Libc.Syscall(SetFsGid, Query, 0, 0, 0, 0) != account.GroupId || (uint)Libc.Syscall(SetFsUid, Query, 0, 0, 0, 0) != account.UserId)
            throw new AgentError(AgentErrorCode.Internal, $"The agent cannot use files as the user '{account.Name}'");
    }
}
