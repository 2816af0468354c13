using System.Text;
using Microsoft.Win32.SafeHandles;
using Mitos.Linux.Abi;
using Mitos.Linux.Files;
using static Mitos.Linux.Abi.SysMount;

namespace Mitos.Linux.Processes;

/// <summary>
/// A root directory that has nothing but what is named: for processes that are given all else as descriptors. It lives as long as its
/// descriptor and the processes in it, and leaves nothing on the host.
/// </summary>
public static class MountNamespace
{
    private const string Tun = "/dev/net/tun";
    private static readonly string[] Devices = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/kvm"];

    /// <summary>Makes one. It has the process's own part of /proc, and the devices null, zero, random, urandom, kvm with the host's rights, and net/tun for all: it lets a process have only cards that were made for its user.</summary>
    /// <param name="at">An existing directory, which is used while it is made; nothing below it can be seen then.</param>
    /// <param name="files">Files and directories that are there too, by the same paths, read-only. Links stay links; what the host does not have is left out.</param>
    /// <param name="others">Likewise, but as they are.</param>
    /// <exception cref="LinuxException">The kernel has none, or we may not make one.</exception>
    public static SafeFileHandle Make(string at, IEnumerable<string> files, IEnumerable<string> others)
    {
        SafeFileHandle? made = null;
        LinuxException? error = null;
        // A thread of its own takes it along when it ends; the descriptor keeps it.
        var thread = new Thread(() =>
        {
            try
            {
                made = MakeHere(at, files, others);
            }
            catch (LinuxException e)
            {
                error = e;
            }
        });
        thread.Start();
        thread.Join();
        return made ?? throw error!;
    }

    private static SafeFileHandle MakeHere(string at, IEnumerable<string> files, IEnumerable<string> others)
    {
        Check(Libc.Unshare(Sched.CLONE_NEWNS), "unshare", at);
        var made = FileDescriptors.OpenNamespace("/proc/thread-self/ns/mnt");
        try
        {
            Mount("none", "/", null, MS_REC | MS_PRIVATE);
            Mount("mitos", at, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=1m");
            foreach (var file in files.Where(Path.Exists))
            {
                if (new FileInfo(file).LinkTarget is { } link)
                    File.CreateSymbolicLink(Place(at, file), link);
                else
                    Bind(at, file, MS_RDONLY | MS_NOSUID | MS_NODEV);
            }
            foreach (var file in others.Where(Path.Exists))
                Bind(at, file, MS_NOSUID | MS_NODEV);
            foreach (var device in Devices.Where(File.Exists))
                Bind(at, device, MS_NOSUID | MS_NOEXEC);
            if (File.Exists(Tun))
                MakeTun(Place(at, Tun));
            var proc = Directory.CreateDirectory(Path.Combine(at, "proc")).FullName;
            // not what others run, and nothing of the kernel: since Linux 5.8
            Mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2,subset=pid");
            Mount("none", at, null, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC);
            Check(Libc.Chdir(at), "chdir", at);
            unsafe
            {
                fixed (byte* here = "."u8)
                    Check((int)Libc.Syscall(SysSyscall.SYS_pivot_root, (nint)here, (nint)here, 0, 0), "pivot_root", at);
            }
            Check(Libc.Umount2(".", MNT_DETACH), "umount2", at);
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    private static unsafe void MakeTun(string place)
    {
        FileStatus status;
        Check(Libc.Stat(Tun, &status), "stat", Tun);
        fixed (byte* path = Encoding.UTF8.GetBytes(place + '\0'))
            Check((int)Libc.Syscall(SysSyscall.SYS_mknodat, Fcntl.AT_FDCWD, (nint)path, (nint)SysStat.S_IFCHR, (nint)status.DeviceNumber), "mknod", Tun);
        File.SetUnixFileMode(place, (UnixFileMode)0x1B6 /* 0666 */);
    }

    private static void Bind(string at, string file, nuint flags)
    {
        var place = Place(at, file);
        if (Directory.Exists(file))
            Directory.CreateDirectory(place);
        else
            File.WriteAllBytes(place, []);
        Mount(file, place, null, MS_BIND);
        Mount("none", place, null, MS_REMOUNT | MS_BIND | flags);
    }

    private static string Place(string at, string file)
    {
        var place = at + file;
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        return place;
    }

    private static void Mount(string source, string target, string? type, nuint flags, string? data = null) => Check(Libc.Mount(source, target, type, flags, data), "mount", target);

    private static void Check(int result, string call, string subject)
    {
        if (result != 0)
            throw LinuxException.FromLastError(call, subject);
    }
}
