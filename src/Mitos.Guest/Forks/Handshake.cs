using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Forks;

/// <summary>
/// Makes this machine unlike its source: entropy, clock, names, then the hooks. Lean on purpose, for in a new child every
/// instruction is cold and every page that it writes is the child's own.
/// </summary>
internal static unsafe class Handshake
{
    /// <summary>Where a machine finds who it is; /etc/hostname and /etc/machine-id are bound to the files here.</summary>
    public const string Folder = "/run/mitos";

    private const long MaxClockErrorNs = 100_000_000;

    /// <param name="request">From the host.</param>
    /// <param name="root">Directory that stands for the root of the file system; empty in a guest. Anything else is a test on a
    /// host, whose entropy, clock and host name stay as they are.</param>
    /// <exception cref="AgentError">A step failed; the host destroys this machine.</exception>
    public static void Apply(HandshakeRequest request, string root)
    {
        if (root.Length == 0)
        {
            AddEntropy(request.Entropy);
            SetClock(request.WallClockUnixNs);
            SetHostname(request.Hostname);
        }
        WriteFile(root, "sandbox-id", request.SandboxId + "\n", 0x1A4);
        WriteFile(root, "fork-id", request.ForkId + "\n", 0x1A4);
        WriteFile(root, "token", request.Token + "\n", 0x180);
        WriteFile(root, "env", Shell(request.Environment), 0x1A4);
        WriteFile(root, "hostname", request.Hostname + "\n", 0x1A4);
        WriteFile(root, "machine-id", request.MachineId + "\n", 0x1A4);
    }

    /// <summary>
    /// Does once, in a directory in memory that is removed again, what every child does first: its code and the memory that it
    /// needs are then in the generation that all share.
    /// </summary>
    public static void Rehearse(string root)
    {
        var stage = root + "/run/mitos-rehearsal";
        Directory.CreateDirectory(stage + Folder);
        Apply(new HandshakeRequest("rehearsal", "rehearsal", 0, new byte[32], 0, "rehearsal", new string('0', 32), "", []), stage);
        _ = ForkHooks.Find(root);
        Directory.Delete(stage, recursive: true);
    }

    // Lines that a shell reads as assignments.
    private static string Shell(Dictionary<string, string> environment)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in environment)
            text.Append(name).Append("='").Append(value.Replace("'", @"'\''")).Append("'\n");
        return text.ToString();
    }

    private static void AddEntropy(byte[] entropy)
    {
        var fd = Libc.Open("/dev/urandom", 1 | 0x80000, 0);
        if (fd < 0)
            throw AgentError.FromLastError("/dev/urandom");
        var pool = stackalloc byte[8 + 32]; // struct rand_pool_info: bits, bytes, buffer
        *(int*)pool = 256;
        *(int*)(pool + 4) = 32;
        entropy.CopyTo(new Span<byte>(pool + 8, 32));
        var added = Libc.Ioctl(fd, 0x40085203 /* RNDADDENTROPY */, pool) == 0 && Libc.Ioctl(fd, 0x5207 /* RNDRESEEDCRNG */, null) == 0;
        var error = added ? null : AgentError.FromLastError("new entropy");
        _ = Libc.Close(fd);
        if (error is not null)
            throw error;
    }

    private static void SetClock(long unixNs)
    {
        var now = stackalloc long[2];
        _ = Libc.ClockGettime(0, now);
        if (Math.Abs(unixNs - ((now[0] * 1_000_000_000) + now[1])) <= MaxClockErrorNs)
            return;
        now[0] = unixNs / 1_000_000_000;
        now[1] = unixNs % 1_000_000_000;
        if (Libc.ClockSettime(0, now) != 0)
            throw AgentError.FromLastError("the wall clock");
    }

    private static void SetHostname(string name)
    {
        var bytes = Encoding.ASCII.GetBytes(name);
        fixed (byte* data = bytes)
        {
            if (Libc.Sethostname(data, (nuint)bytes.Length) != 0)
                throw AgentError.FromLastError($"the host name '{name}'");
        }
    }

    // In memory, and over what is there: a file on disk would cost each child a journal's worth of pages and a disk layer.
    private static void WriteFile(string root, string name, string text, uint mode)
    {
        var path = root + Folder + "/" + name;
        var fd = Libc.Open(path, 1 | 0x40 | 0x200 | 0x80000, mode);
        if (fd < 0)
            throw AgentError.FromLastError(path);
        var bytes = Encoding.UTF8.GetBytes(text);
        nint written;
        fixed (byte* data = bytes)
            written = Libc.Write(fd, data, (nuint)bytes.Length);
        var error = written == bytes.Length ? null : AgentError.FromLastError(path);
        _ = Libc.Close(fd);
        if (error is not null)
            throw error;
    }
}
