namespace Mitos.Linux.Tests.Abi;

/// <summary>What the numbers in the guest agent's sources stand for, where no comment beside them says it.</summary>
internal static class GuestNumbers
{
    private const string Guest = "src/Mitos.Guest/";

    /// <summary>Constants.</summary>
    public static readonly (string File, string Name, string C)[] Constants =
    [
        .. Of("Native/Errno.cs", ["EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "EAGAIN", "EACCES", "EEXIST", "ENOTDIR", "EISDIR", "EINVAL", "ENOSPC", "EPIPE",
            "ENAMETOOLONG", "ENOTEMPTY", "ECHILD", "ECONNREFUSED", "EINPROGRESS"]),
        .. Of("Processes/ProcessPipes.cs", ["CloseOnExec=O_CLOEXEC", "NonBlocking=O_NONBLOCK", "ReadWrite=O_RDWR", "NoTerminal=O_NOCTTY"]),
        .. Of("Processes/Spawn.cs", ["NewSession=MITOS_NEW_SESSION", "ControllingTerminal=MITOS_CONTROLLING_TTY", "NewGroup=MITOS_NEW_GROUP", "SetIdentity=MITOS_SET_IDENTITY"]),
        .. Of("Files/FileDraft.cs", ["CreateNew=O_CREAT | O_TRUNC", "WriteOnly=O_WRONLY", "CloseOnExec=O_CLOEXEC", "NoFollow=O_NOFOLLOW"]),
        .. Of("Files/FileOperations.cs", ["CloseOnExec=O_CLOEXEC", "NonBlocking=O_NONBLOCK"]),
        .. Of("Files/FileStat.cs", ["Statx=SYS_statx", "AtFdCwd=AT_FDCWD", "NoFollow=AT_SYMLINK_NOFOLLOW", "BasicStats=STATX_BASIC_STATS"]),
        .. Of("Files/FileIdentity.cs", ["SetGroups=SYS_setgroups", "SetFsUid=SYS_setfsuid", "SetFsGid=SYS_setfsgid"]),
        .. Of("Boot/Init.cs", ["NoSuid=MS_NOSUID", "NoDev=MS_NODEV", "NoExec=MS_NOEXEC", "Move=MS_MOVE"]),
        .. Of("Boot/Network.cs", ["SetFlags=SIOCSIFFLAGS", "SetAddress=SIOCSIFADDR", "SetMask=SIOCSIFNETMASK", "AddRoute=SIOCADDRT", "UpRunning=IFF_UP | IFF_RUNNING"]),
        .. Of("Watches/WatchTable.cs", ["Modify=IN_MODIFY", "Attribute=IN_ATTRIB", "MovedFrom=IN_MOVED_FROM", "MovedTo=IN_MOVED_TO", "Create=IN_CREATE", "Delete=IN_DELETE",
            "DeleteSelf=IN_DELETE_SELF", "Overflow=IN_Q_OVERFLOW", "Ignored=IN_IGNORED", "IsDirectory=IN_ISDIR"]),
        .. Of("Watches/WatchedDirectories.cs",
            ["Mask=IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_EXCL_UNLINK"]),
        .. Of("Ports/PortConnector.cs", ["Inet=AF_INET", "Inet6=AF_INET6"]),
        .. Of("Sessions/SocketTransport.cs", ["UnixFamily=AF_UNIX", "VsockFamily=AF_VSOCK"]),
        .. Of("Loop/EventLoop.cs", ["In=EPOLLIN", "Out=EPOLLOUT", "Error=EPOLLERR", "HangUp=EPOLLHUP", "EdgeTriggered=(unsigned)EPOLLET"]),
    ];

    /// <summary>Offsets and sizes: the file, how it is written there, the number, the C expression.</summary>
    public static readonly (string File, string Text, long Number, string C)[] Offsets =
    [
        (Guest + "Processes/Reaper.cs", "stackalloc int[32]", 128, "sizeof(siginfo_t)"),
        (Guest + "Processes/Reaper.cs", "stackalloc ulong[16]", 16 * 8, "sizeof(sigset_t)"),
        (Guest + "Processes/Reaper.cs", "stackalloc byte[128]", 128, "sizeof(struct signalfd_siginfo)"),
        (Guest + "Processes/Reaper.cs", "info[4], info[2] != 1", 4 * 4, "offsetof(siginfo_t, si_pid)"),
        (Guest + "Processes/Reaper.cs", "info[4], info[2] != 1", 2 * 4, "offsetof(siginfo_t, si_code)"),
        (Guest + "Processes/Reaper.cs", ", info[6])", 6 * 4, "offsetof(siginfo_t, si_status)"),
        (Guest + "Processes/ProcessPipes.cs", "stackalloc ushort[4] { (ushort)rows, (ushort)columns", 4 * 2, "sizeof(struct winsize)"),
        (Guest + "Files/FileStat.cs", "stackalloc byte[256]", 256, "sizeof(struct statx)"),
        (Guest + "Files/FileStat.cs", "*(ushort*)(raw + 28)", 28, "offsetof(struct statx, stx_mode)"),
        (Guest + "Files/FileStat.cs", "*(ulong*)(raw + 32)", 32, "offsetof(struct statx, stx_ino)"),
        (Guest + "Files/FileStat.cs", "*(long*)(raw + 96)", 96, "offsetof(struct statx, stx_ctime.tv_sec)"),
        (Guest + "Files/FileStat.cs", "*(uint*)(raw + 104)", 104, "offsetof(struct statx, stx_ctime.tv_nsec)"),
        (Guest + "Files/FileStat.cs", "*(long*)(raw + 112)", 112, "offsetof(struct statx, stx_mtime.tv_sec)"),
        (Guest + "Files/FileStat.cs", "*(uint*)(raw + 120)", 120, "offsetof(struct statx, stx_mtime.tv_nsec)"),
        (Guest + "Files/FileStat.cs", "*(uint*)(raw + 20)", 20, "offsetof(struct statx, stx_uid)"),
        (Guest + "Files/FileStat.cs", "*(uint*)(raw + 24)", 24, "offsetof(struct statx, stx_gid)"),
        (Guest + "Files/FileStat.cs", "*(long*)(raw + 40)", 40, "offsetof(struct statx, stx_size)"),
        (Guest + "Files/FileStat.cs", "0x8000 => FileKind.File", 0x8000, "S_IFREG"),
        (Guest + "Files/FileStat.cs", "0x4000 => FileKind.Directory", 0x4000, "S_IFDIR"),
        (Guest + "Files/FileStat.cs", "0xA000 => FileKind.Link", 0xA000, "S_IFLNK"),
        (Guest + "Files/FileStat.cs", "mode & 0xF000", 0xF000, "S_IFMT"),
        (Guest + "Boot/Network.cs", "AllocateArray<byte>(40", 40, "sizeof(struct ifreq)"),
        (Guest + "Boot/Network.cs", "&request[16]", 16, "offsetof(struct ifreq, ifr_flags)"),
        (Guest + "Boot/Network.cs", "request + 16", 16, "offsetof(struct ifreq, ifr_addr)"),
        (Guest + "Boot/Network.cs", "stackalloc byte[120]", 120, "sizeof(struct rtentry)"),
        (Guest + "Boot/Network.cs", "route + 8", 8, "offsetof(struct rtentry, rt_dst)"),
        (Guest + "Boot/Network.cs", "route + 24", 24, "offsetof(struct rtentry, rt_gateway)"),
        (Guest + "Boot/Network.cs", "route + 40", 40, "offsetof(struct rtentry, rt_genmask)"),
        (Guest + "Boot/Network.cs", "route + 56", 56, "offsetof(struct rtentry, rt_flags)"),
        (Guest + "Boot/Network.cs", "target + 4", 4, "offsetof(struct sockaddr_in, sin_addr)"),
        (Guest + "Forks/Handshake.cs", "pool + 4)", 4, "offsetof(struct rand_pool_info, buf_size)"),
        (Guest + "Forks/Handshake.cs", "pool + 8", 8, "offsetof(struct rand_pool_info, buf)"),
        (Guest + "Ports/PortConnector.cs", "16u : 28u", 16, "sizeof(struct sockaddr_in)"),
        (Guest + "Ports/PortConnector.cs", "16u : 28u", 28, "sizeof(struct sockaddr_in6)"),
        (Guest + "Ports/PortConnector.cs", "address + 2, 2", 2, "offsetof(struct sockaddr_in6, sin6_port)"),
        (Guest + "Ports/PortConnector.cs", "(address[4], address[7])", 4, "offsetof(struct sockaddr_in, sin_addr)"),
        (Guest + "Ports/PortConnector.cs", "address[23] = 1", 23, "offsetof(struct sockaddr_in6, sin6_addr) + 15"),
        (Guest + "Ports/PortEndpoint.cs", "stackalloc int[2] { 1, 0 }", 2 * 4, "sizeof(struct linger)"),
        (Guest + "Sessions/SocketTransport.cs", "[UnixFamily, 0, .. ", 2, "offsetof(struct sockaddr_un, sun_path)"),
        (Guest + "Sessions/SocketTransport.cs", "stackalloc byte[16]", 16, "sizeof(struct sockaddr_vm)"),
        (Guest + "Sessions/SocketTransport.cs", "(address[4..], port)", 4, "offsetof(struct sockaddr_vm, svm_port)"),
        (Guest + "Sessions/SocketTransport.cs", "(address[8..], uint.MaxValue)", 8, "offsetof(struct sockaddr_vm, svm_cid)"),
        (Guest + "Watches/WatchTable.cs", "rest.Slice(16", 16, "sizeof(struct inotify_event)"),
        (Guest + "Watches/WatchTable.cs", "fields[1], fields[2]", 1 * 4, "offsetof(struct inotify_event, mask)"),
        (Guest + "Watches/WatchTable.cs", "fields[1], fields[2]", 2 * 4, "offsetof(struct inotify_event, cookie)"),
        (Guest + "Watches/WatchTable.cs", "(int)fields[3]", 3 * 4, "offsetof(struct inotify_event, len)"),
        ("src/Mitos.Cli/Terminal/RawTerminal.cs", "struct termios has 60 bytes", 60, "sizeof(struct termios)"),
        ("src/Mitos.Cli/Terminal/RawTerminal.cs", "new ushort[4]", 4 * 2, "sizeof(struct winsize)"),
    ];

    /// <summary>The values that a parameter of a C function may be given here, by the function's name in Libc and the parameter's index.</summary>
    public static readonly Dictionary<(string Function, int Argument), string[]> Flags = new()
    {
        [("Open", 1)] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_NOCTTY", "O_NONBLOCK", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"],
        [("Pipe2", 1)] = ["O_CLOEXEC"],
        [("Fcntl", 1)] = ["F_SETFL", "F_DUPFD_CLOEXEC"],
        [("Fcntl", 2)] = ["O_NONBLOCK"],
        [("Ioctl", 1)] = ["TIOCSWINSZ", "TIOCSPTLCK", "TIOCGPTN", "FIONREAD", "RNDADDENTROPY", "RNDRESEEDCRNG"],
        [("Socket", 0)] = ["AF_UNIX", "AF_INET"],
        [("Socket", 1)] = ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_NONBLOCK", "SOCK_CLOEXEC"],
        [("Accept4", 3)] = ["SOCK_NONBLOCK", "SOCK_CLOEXEC"],
        [("Setsockopt", 1)] = ["SOL_SOCKET", "IPPROTO_TCP"],
        [("Setsockopt", 2)] = ["SO_LINGER", "TCP_NODELAY"],
        [("Getsockopt", 1)] = ["SOL_SOCKET"],
        [("Getsockopt", 2)] = ["SO_ERROR"],
        [("Shutdown", 1)] = ["SHUT_WR"],
        [("EpollCreate1", 0)] = ["EPOLL_CLOEXEC"],
        [("Eventfd", 1)] = ["EFD_NONBLOCK", "EFD_CLOEXEC"],
        [("InotifyInit1", 0)] = ["IN_NONBLOCK", "IN_CLOEXEC"],
        [("InotifyAddWatch", 2)] =
            ["IN_MODIFY", "IN_ATTRIB", "IN_MOVED_FROM", "IN_MOVED_TO", "IN_CREATE", "IN_DELETE", "IN_DELETE_SELF", "IN_EXCL_UNLINK"],
        [("Waitid", 0)] = ["P_ALL"],
        [("Waitid", 3)] = ["WEXITED", "WNOHANG"],
        [("Signalfd", 2)] = ["SFD_NONBLOCK", "SFD_CLOEXEC"],
        [("Kill", 1)] = ["SIGKILL", "SIGTERM"],
        [("Signal", 0)] = ["SIGPIPE"],
        [("Signal", 1)] = ["(long)SIG_IGN"],
        [("Mount", 3)] = ["MS_RDONLY", "MS_NOSUID", "MS_NODEV", "MS_NOEXEC", "MS_REMOUNT", "MS_NOATIME", "MS_BIND", "MS_MOVE"],
        [("Reboot", 0)] = ["LINUX_REBOOT_CMD_RESTART"],
        [("Prctl", 0)] = ["PR_SET_CHILD_SUBREAPER"],
        [("ClockGettime", 0)] = ["CLOCK_REALTIME"],
        [("ClockSettime", 0)] = ["CLOCK_REALTIME"],
        [("Syscall", 0)] = ["SYS_statx", "SYS_setgroups", "SYS_setfsuid", "SYS_setfsgid", "SYS_finit_module", "SYS_prlimit64"],
        [("Syscall", 1)] = ["AT_FDCWD", "-1"],
        [("Syscall", 2)] = ["RLIMIT_NOFILE"],
        [("Syscall", 3)] = ["AT_SYMLINK_NOFOLLOW"],
        [("Syscall", 4)] = ["STATX_BASIC_STATS"],
    };

    /// <summary>Parameters that take plain numbers: sizes, counts, modes, times, exit states.</summary>
    public static readonly HashSet<(string Function, int Argument)> Counts =
    [
        ("Open", 2), ("Mkdir", 1), ("Chmod", 1), ("Read", 2), ("Write", 2), ("Readlink", 2), ("Kill", 0), ("Signalfd", 0), ("Listen", 1), ("EpollWait", 2), ("EpollWait", 3), ("Prctl", 1),
        ("Setsockopt", 4), ("Connect", 2), ("Bind", 2), ("Llistxattr", 2), ("Lgetxattr", 3), ("Lsetxattr", 3),
    ];

    private static IEnumerable<(string File, string Name, string C)> Of(string file, string[] names) =>
        names.Select(name => name.Split('=', 2)).Select(pair => (Guest + file, pair[0], pair[^1]));
}
