using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Sessions;

namespace Mitos.Guest.Forks;

/// <summary>
/// Makes this machine unlike its source: entropy, clock, names, then the hooks. Lean on purpose, for in a new child every
/// instruction is cold and every page that it writes is the child's own.
/// </summary>
internal sealed unsafe class Handshake
{
    /// <summary>Where a machine finds who it is; /etc/hostname and /etc/machine-id are bound to the files here.</summary>
    public const string Folder = "/run/mitos";

    private const long MaxClockErrorNs = 100_000_000;
    private readonly bool _isGuest;
    private readonly int _urandom = Libc.Open("/dev/urandom", 1 | 0x80000 /* O_WRONLY | O_CLOEXEC */, 0);
    private readonly IdentityFile _sandboxId, _forkId, _token, _environment, _hostname, _machineId;

    /// <param name="root">Directory that stands for the root of the file system; empty in a guest. Anything else is a test on a
    /// host, whose entropy, clock and host name stay as they are.</param>
    /// <exception cref="AgentError">A file cannot be opened.</exception>
    public Handshake(string root)
    {
        _isGuest = root.Length == 0;
        var folder = root + Folder + "/";
        (_sandboxId, _forkId, _token) = (new(folder + "sandbox-id", 0x1A4), new(folder + "fork-id", 0x1A4), new(folder + "token", 0x180));
        (_environment, _hostname, _machineId) = (new(folder + "env", 0x1A4), new(folder + "hostname", 0x1A4), new(folder + "machine-id", 0x1A4));
    }

    /// <param name="request">From the host.</param>
    /// <exception cref="AgentError">A step failed; the host destroys this machine.</exception>
    public void Apply(HandshakeRequest request)
    {
        if (_isGuest)
        {
            AddEntropy(request.Entropy);
            SetClock(request.WallClockUnixNs);
            SetHostname(request.Hostname);
        }
        _sandboxId.Write(request.SandboxId + "\n");
        _forkId.Write(request.ForkId + "\n");
        _token.Write(request.Token + "\n");
        _environment.Write(Shell(request.Environment));
        _hostname.Write(request.Hostname + "\n");
        _machineId.Write(request.MachineId + "\n");
    }

    /// <summary>Does once what every child does first: its code and the memory that it needs are then in the generation that all share.</summary>
    public void Rehearse() =>
        Apply(new HandshakeRequest("rehearsal", "rehearsal", 0, new byte[32], (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100, "rehearsal", new string('0', 32), "", []));

    // Lines that a shell reads as assignments.
    private static string Shell(Dictionary<string, string> environment)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in environment)
            text.Append(name).Append("='").Append(value.Replace("'", @"'\''")).Append("'\n");
        return text.ToString();
    }

    private void AddEntropy(byte[] entropy)
    {
        var pool = stackalloc byte[8 + 32]; // struct rand_pool_info: bits, bytes, buffer
        *(int*)pool = 256;
        *(int*)(pool + 4) = 32;
        entropy.CopyTo(new Span<byte>(pool + 8, 32));
        if (Libc.Ioctl(_urandom, 0x40085203 /* RNDADDENTROPY */, pool) != 0 || Libc.Ioctl(_urandom, 0x5207 /* RNDRESEEDCRNG */, null) != 0)
            throw AgentError.FromLastError("new entropy");
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
}
