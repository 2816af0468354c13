using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Mitos.Engine.Agent;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Envd;

/// <summary>Names of users and groups of guests, by their numbers. Read again after a while: a guest may change them.</summary>
internal sealed class GuestNames(TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<SandboxId, Entry> _known = new();

    /// <summary>The names of users, then of groups.</summary>
    public async Task<(IReadOnlyDictionary<uint, string> Users, IReadOnlyDictionary<uint, string> Groups)> OfAsync(EnvdCall call)
    {
        var now = time.GetUtcNow();
        if (!_known.TryGetValue(call.Sandbox.Id, out var entry) || entry.At + Fresh < now)
        {
            foreach (var old in _known.Where(pair => pair.Value.At + Fresh < now))
                _known.TryRemove(old);
            _known[call.Sandbox.Id] = entry = new Entry(now, await ReadAsync(call, "/etc/passwd"), await ReadAsync(call, "/etc/group"));
        }
        return (entry.Users, entry.Groups);
    }

    private static async Task<Dictionary<uint, string>> ReadAsync(EnvdCall call, string path)
    {
        var names = new Dictionary<uint, string>();
        using var content = new MemoryStream();
        try
        {
            await call.Files.ReadAsync(path, content, "root", call.Ended, length: 1 << 20);
        }
        catch (AgentException)
        {
            return names; // numbers will do
        }
        foreach (var line in Encoding.UTF8.GetString(content.ToArray()).Split('\n'))
        {
            if (line.Split(':') is [var name, _, var number, ..] && uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                names.TryAdd(id, name);
        }
        return names;
    }

    private sealed record Entry(DateTimeOffset At, Dictionary<uint, string> Users, Dictionary<uint, string> Groups);
}
