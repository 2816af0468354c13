namespace Mitos.Guest.Native;

/// <summary>Error numbers of Linux (asm-generic/errno-base.h).</summary>
internal static class Errno
{
    public const int EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, EAGAIN = 11, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EISDIR = 21,
        EINVAL = 22, ENOSPC = 28, EPIPE = 32, ENAMETOOLONG = 36, ENOTEMPTY = 39, ELOOP = 40, ECHILD = 10,
        ECONNREFUSED = 111, EINPROGRESS = 115;

    public static string Describe(int errno) => global::System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno);
}
