using System.Globalization;
using System.Text;
using Mitos.Guest.Files;
using Mitos.Guest.Processes;
using Mitos.Protocol.Messages;

namespace Mitos.Guest.Forks;

/// <summary>
/// The executables in <c>/etc/mitos/fork.d</c>, which renew what programs keep to themselves: generators, caches, identities.
/// They run one after the other, by name, before the machine is handed out.
/// </summary>
/// <param name="processes">Runs them.</param>
/// <param name="root">See <see cref="Handshake"/>.</param>
internal sealed class ForkHooks(ProcessTable processes, string root)
{
    private const string Folder = "/etc/mitos/fork.d";
    private const int TimeoutMs = 5000, MaxTail = 512;

    private const long SettledMs = 2000;
    private readonly string _folder = root + Folder;
    private string[] _files = [];
    private long _listedAt;

    /// <summary>The hooks in order; empty when there are none, which is what most machines have.</summary>
    public string[] Find()
    {
        var modified = FileStat.TryRead(_folder, follow: true, out var stat) ? stat.ModifiedUnixMs : 0;
        if (modified != _listedAt)
            List(modified);
        return _files.Length == 0 ? _files : Array.FindAll(_files, path => (File.GetUnixFileMode(path) & UnixFileMode.UserExecute) != 0);
    }

    // To list a directory is much code to run cold, so it is done again only when it has changed.
    private void List(long modified)
    {
        _files = modified != 0 ? Directory.GetFiles(_folder) : [];
        Array.Sort(_files, StringComparer.Ordinal);
        // Times are coarse: what has just changed may change again and look the same.
        var age = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - modified;
        _listedAt = age is > -SettledMs and < SettledMs ? -1 : modified;
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
            ["MITOS_SANDBOX_ID"] = handshake.SandboxId,
            ["MITOS_FORK_ID"] = handshake.ForkId,
            ["MITOS_FORK_INDEX"] = handshake.Index.ToString(CultureInfo.InvariantCulture),
        };
        var path = hooks[index];
        try
        {
            // Without a key, which no host could know; to draw one takes OpenSSL, which no guest needs to have.
            processes.Run(new StartRequest(default, [path], "/", environment, "root", false, false, 0, 0, TimeoutMs), hook =>
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
