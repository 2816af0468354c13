using Mitos.Guest.Native;
using Mitos.Guest.Processes;

namespace Mitos.Guest.Files;

/// <summary>
/// Makes the calling thread use files as a user: setfsuid, setfsgid and setgroups are per thread in the kernel (setfsuid(2)),
/// and with a file-system uid other than 0 the kernel drops the file capabilities. Only the file worker's thread does this.
/// </summary>
internal static unsafe class FileIdentity
{
    private const int SetGroups = 116, SetFsUid = 122, SetFsGid = 123;

    public static void Become(Account account)
    {
        if (!Environment.IsPrivilegedProcess)
            return;
        fixed (uint* groups = account.Groups)
            Libc.Syscall(SetGroups, account.Groups.Length, (nint)groups, 0, 0, 0);
        Libc.Syscall(SetFsGid, (nint)account.GroupId, 0, 0, 0, 0);
        Libc.Syscall(SetFsUid, (nint)account.UserId, 0, 0, 0, 0);
    }
}
