using System.Globalization;
using System.Text;
using Mitos.Guest.Native;
using Mitos.Guest.Processes;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Forks;

/// <summary>
/// The executables in <c>/etc/mitos/fork.d</c>, which renew what programs keep to themselves: generators, caches, identities.
/// They run one after the other, by name, before the machine is handed out.
/// </summary>
internal sealed class ForkHooks(ProcessTable processes)
{
    private const string Folder = "/etc/mitos/fork.d";
    private const int TimeoutMs = 5000, MaxTail = 512;

    /// <summary>The hooks in order; empty when there are none, which is what most machines have.</summary>
    public static string[] Find(string root)
    {
        var folder = root + Folder;
        if (IsEmpty(folder))
            return [];
        var found = Directory.GetFiles(folder);
        Array.Sort(found, StringComparer.Ordinal);
        return Array.FindAll(found, path => (File.GetUnixFileMode(path) & UnixFileMode.UserExecute) != 0);
    }

    // By hand, for what the library does to list a directory is much code to run cold.
    private static unsafe bool IsEmpty(string folder)
    {
        var fd = Libc.Open(folder, 0x10000 | 0x80000 /* O_DIRECTORY | O_CLOEXEC */, 0);
        if (fd < 0)
            return true;
        var entries = stackalloc byte[512];
        var length = Libc.Syscall(217 /* getdents64 */, fd, (nint)entries, 512, 0, 0);
        _ = Libc.Close(fd);
        var count = 0;
        for (nint at = 0; at < length; at += *(ushort*)(entries + at + 16))
            count++;
        return count <= 2; // . and ..
    }

    /// <summary>Runs them; <paramref name="done"/> gets null, or what went wrong.</summary>
    public void Run(string[] hooks, HandshakeRequest handshake, Action<string?> done, int index = 0)
    {
        if (index == hooks.Length)
        {
            done(null);
            return;
        }
        var environment = new Dictionary<string, string>
        {
            ["MITOS_SANDBOX_ID"] = handshake.SandboxId, ["MITOS_FORK_ID"] = handshake.ForkId,
            ["MITOS_FORK_INDEX"] = handshake.Index.ToString(CultureInfo.InvariantCulture),
        };
        var path = hooks[index];
        try
        {
            processes.Run(new StartRequest(ProcessKey.New(), [path], "/", environment, "root", false, false, 0, 0, TimeoutMs), hook =>
            {
                if (hook.ExitCode == 0)
                    Run(hooks, handshake, done, index + 1);
                else
                    done($"The hook {path} ended with {hook.ExitCode}{(hook.ExitSignal != 0 ? $" (a hook has {TimeoutMs / 1000} s)" : "")}: {TailOf(hook)}");
            });
        }
        catch (Exception e)
        {
            done($"The hook {path} cannot be run: {e.Message}");
        }
    }

    private static string TailOf(GuestProcess process)
    {
        var text = new StringBuilder();
        foreach (var output in process.Outputs)
        {
            var tail = new byte[MaxTail];
            var from = Math.Max(output.Ring.Start, output.Ring.End - Math.Min(output.Ring.End, MaxTail));
            text.Append(Encoding.UTF8.GetString(tail, 0, output.Ring.Read(from, tail)));
        }
        return text.Length > 0 ? text.ToString().Trim() : "no output";
    }
}
