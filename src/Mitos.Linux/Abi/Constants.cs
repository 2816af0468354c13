namespace Mitos.Linux.Abi;

// Numbers of Linux on x86-64 under their own names. The ABI test derives each again from the system's headers.

/// <summary>fcntl.h, and linux/fcntl.h for the seals.</summary>
internal static class Fcntl
{
    public const int AT_FDCWD = -100;
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_NOFOLLOW = 0x20000, O_DIRECTORY = 0x10000, O_PATH = 0x200000, O_CLOEXEC = 0x80000;
    public const int F_ADD_SEALS = 1033, F_GET_SEALS = 1034;
    public const int F_SEAL_SEAL = 1, F_SEAL_SHRINK = 2, F_SEAL_GROW = 4, F_SEAL_WRITE = 8;
}

/// <summary>sys/file.h</summary>
internal static class SysFile
{
    public const int LOCK_EX = 2, LOCK_NB = 4;
}

/// <summary>unistd.h</summary>
internal static class Unistd
{
    public const int SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4;
}

/// <summary>sys/mman.h</summary>
internal static class SysMman
{
    public const int PROT_READ = 1, PROT_WRITE = 2;
    public const int MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20;
    public const int MADV_HUGEPAGE = 14, MADV_POPULATE_WRITE = 23;
    public const uint MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2;
}

/// <summary>linux/fs.h since Linux 6.7</summary>
internal static class LinuxFs
{
    public const nuint PAGEMAP_SCAN = 0xC0606610; // _IOWR('f', 16, struct pm_scan_arg)
    public const nuint FICLONE = 0x40049409; // _IOW(0x94, 9, int)
    public const ulong PAGE_IS_FILE = 1 << 2, PAGE_IS_PRESENT = 1 << 3, PAGE_IS_SWAPPED = 1 << 4;
}

/// <summary>sys/uio.h</summary>
internal static class SysUio
{
    public const int UIO_MAXIOV = 1024;
}

/// <summary>sys/socket.h</summary>
internal static class SysSocket
{
    public const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1, SCM_RIGHTS = 1, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, SHUT_WR = 1, SO_SNDTIMEO = 21;
}

/// <summary>poll.h</summary>
internal static class Poll
{
    public const short POLLIN = 1, POLLOUT = 4;
}

/// <summary>sys/epoll.h</summary>
internal static class SysEpoll
{
    public const int EPOLL_CLOEXEC = 0x80000, EPOLL_CTL_ADD = 1;
    public const uint EPOLLIN = 1, EPOLLONESHOT = 1u << 30;
}

/// <summary>sched.h</summary>
internal static class Sched
{
    public const int CLONE_NEWNS = 0x00020000, CLONE_NEWNET = 0x40000000;
}

/// <summary>linux/if_tun.h</summary>
internal static class LinuxIfTun
{
    public const nuint TUNSETIFF = 0x400454CA, TUNSETPERSIST = 0x400454CB, TUNSETOWNER = 0x400454CC; // _IOW('T', …, int)
    public const short IFF_TAP = 2, IFF_NO_PI = 0x1000;
}

/// <summary>sys/mount.h</summary>
internal static class SysMount
{
    public const nuint MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_REMOUNT = 32, MS_BIND = 4096, MS_REC = 16384, MS_PRIVATE = 1 << 18;
    public const int MNT_DETACH = 2;
}

/// <summary>sys/wait.h</summary>
internal static class SysWait
{
    public const int P_PIDFD = 3, WEXITED = 4;
}

/// <summary>signal.h</summary>
internal static class Signals
{
    public const int SIGKILL = 9;
}

/// <summary>sys/syscall.h</summary>
internal static class SysSyscall
{
    public const int SYS_pivot_root = 155, SYS_mknodat = 259, SYS_pidfd_send_signal = 424, SYS_pidfd_open = 434;
}

/// <summary>sys/stat.h</summary>
internal static class SysStat
{
    public const uint S_IFCHR = 0x2000;
    public const uint S_IRUSR = 0x100, S_IWUSR = 0x80, S_IRGRP = 0x20, S_IWGRP = 0x10, S_IROTH = 4, S_IWOTH = 2;
}
