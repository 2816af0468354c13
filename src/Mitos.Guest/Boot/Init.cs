using Mitos.Guest.Native;

namespace Mitos.Guest.Boot;

/// <summary>
/// Process 1: from an initramfs with nothing but this binary and kernel modules to a root file system of the template's,
/// which needs nothing of ours in it.
/// </summary>
internal static unsafe class Init
{
    private const nuint NoSuid = 2, NoDev = 4, NoExec = 8, Move = 8192;
    private const string Modules = "/lib/mitos/modules";

    public static void Run()
    {
        Mount("devtmpfs", "/dev", "devtmpfs", NoSuid);
        Mount("proc", "/proc", "proc", NoSuid | NoDev | NoExec);
        Mount("sysfs", "/sys", "sysfs", NoSuid | NoDev | NoExec);
        var modules = LoadModules();
        BootConsole.Say($"{modules} kernel modules loaded");
        var commandLine = File.ReadAllText("/proc/cmdline").Trim().Split(' ');
        var disk = Option(commandLine, "mitos.root") ?? "/dev/vda";
        AwaitDevice(disk);
        BootConsole.Say($"root disk {disk} found");
        Mount(disk, "/newroot", "ext4", 0x400 /* MS_NOATIME */);
        foreach (var folder in (string[])["/dev", "/proc", "/sys"])
        {
            _ = Libc.Mkdir("/newroot" + folder, 0x1ED);
            Check(Libc.Mount(folder, "/newroot" + folder, null, Move, null), "move " + folder);
        }
        Check(Libc.Chdir("/newroot"), "chdir");
        Check(Libc.Mount(".", "/", null, Move, null), "move the root");
        Check(Libc.Chroot("."), "chroot");
        Check(Libc.Chdir("/"), "chdir");
        Mount("tmpfs", "/run", "tmpfs", NoSuid | NoDev, "mode=755");
        Mount("devpts", "/dev/pts", "devpts", NoSuid | NoExec, "gid=5,mode=620,ptmxmode=666");
        Mount("tmpfs", "/dev/shm", "tmpfs", NoSuid | NoDev);
        Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", NoSuid | NoDev | NoExec);
        Links();
        Identity();
        Network.Up("lo");
        if (Option(commandLine, "mitos.net") is { } mode)
        {
            Network.Configure(mode);
            BootConsole.Say($"network: {mode}");
        }
        BootConsole.Say("root file system ready");
        RaiseLimits();
        Quiet(stopTimer: Option(commandLine, "mitos.timer") == "off");
    }

    private static int LoadModules()
    {
        var count = 0;
        foreach (var path in File.ReadLines(Modules))
        {
            var fd = Libc.Open(path, 0x80000, 0);
            if (fd < 0)
                throw new InvalidOperationException($"kernel module {path} is missing");
            ReadOnlySpan<byte> none = "\0"u8;
            fixed (byte* options = none)
            {
                if (Libc.Syscall(313 /* finit_module */, fd, (nint)options, 0, 0, 0) != 0 && Libc.LastError != Errno.EEXIST)
                    throw new InvalidOperationException($"kernel module {path}: {Errno.Describe(Libc.LastError)}");
            }
            _ = Libc.Close(fd);
            count++;
        }
        return count;
    }

    // The disk is found by a kernel thread; only at boot, and for 10 s at most.
    private static void AwaitDevice(string path)
    {
        for (var i = 0; i < 1000 && !File.Exists(path); i++)
            Thread.Sleep(10);
        if (!File.Exists(path))
            throw new InvalidOperationException($"the disk {path} did not appear");
    }

    // As systemd does: programs that know no better see 1024 open files, those that ask may have many.
    private static void RaiseLimits()
    {
        var limit = stackalloc ulong[2] { 1024, 524288 };
        _ = Libc.Syscall(302 /* prlimit64 */, 0, 7 /* RLIMIT_NOFILE */, (nint)limit, 0, 0);
    }

    // Nothing wakes an idle machine that need not: each wake-up costs, times the number of forks on the host.
    private static void Quiet(bool stopTimer)
    {
        // Where Linux heeds the programmable interval timer it has an interrupt or is a clock event; then it stays.
        if (stopTimer && !File.ReadLines("/proc/interrupts").Any(line => line.EndsWith(" timer", StringComparison.Ordinal))
            && !Directory.EnumerateDirectories("/sys/devices/system/clockevents").Any(device => ReadOrNothing(device + "/current_device").StartsWith("pit", StringComparison.Ordinal))
            && Libc.StopTimer() is var error and not 0)
            BootConsole.Say($"the interval timer goes on: {Errno.Describe(error)}");
        TryWrite("/proc/sys/vm/compaction_proactiveness", "0");
        TryWrite("/proc/sys/vm/stat_interval", "10");
    }

    private static string ReadOrNothing(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static void TryWrite(string path, string value)
    {
        try
        {
            File.WriteAllText(path, value);
        }
        catch (IOException)
        {
            // this kernel has no such setting
        }
    }

    private static void Links()
    {
        foreach (var (name, target) in ((string, string)[])[("/dev/fd", "/proc/self/fd"), ("/dev/stdin", "/proc/self/fd/0"), ("/dev/stdout", "/proc/self/fd/1"), ("/dev/stderr", "/proc/self/fd/2")])
        {
            if (!File.Exists(name))
                File.CreateSymbolicLink(name, target);
        }
    }

    // The handshake of each fork writes these in memory.
    private static void Identity()
    {
        Directory.CreateDirectory(Forks.Handshake.Folder);
        foreach (var name in (string[])["hostname", "machine-id"])
        {
            var (inMemory, onDisk) = ($"{Forks.Handshake.Folder}/{name}", "/etc/" + name);
            File.WriteAllText(inMemory, "");
            if (!File.Exists(onDisk))
                File.WriteAllText(onDisk, "");
            Check(Libc.Mount(inMemory, onDisk, null, 4096 /* MS_BIND */, null), "bind " + onDisk);
        }
    }

    private static void Mount(string source, string target, string type, nuint flags, string? data = null)
    {
        _ = Libc.Mkdir(target, 0x1ED);
        if (Libc.Mount(source, target, type, flags, data) != 0 && type != "cgroup2")
            throw new InvalidOperationException($"mount of {target}: {Errno.Describe(Libc.LastError)}");
    }

    private static string? Option(string[] commandLine, string name)
    {
        foreach (var word in commandLine)
        {
            if (word.StartsWith(name + "=", StringComparison.Ordinal))
                return word[(name.Length + 1)..];
        }
        return null;
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
            throw new InvalidOperationException($"{what}: {Errno.Describe(Libc.LastError)}");
    }
}
