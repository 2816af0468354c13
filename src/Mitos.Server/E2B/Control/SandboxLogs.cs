using System.Collections.Concurrent;
using System.Text;
using Mitos.Engine.Sandboxes;

namespace Mitos.Server.E2B.Control;

/// <summary>
/// What happened in sandboxes: processes that were started and ended over E2B's routes, and what a guest's console says. The last of
/// each sandbox, as long as the server runs.
/// </summary>
internal sealed class SandboxLogs(ISandboxes sandboxes, TimeProvider time)
{
    private const int Kept = 1000, MaxMessage = 4096, MaxConsole = 1 << 20;
    private readonly ConcurrentDictionary<SandboxId, Log> _logs = new();

    /// <param name="id">The sandbox.</param>
    /// <param name="level">debug, info, warn or error.</param>
    /// <param name="message">What happened.</param>
    /// <param name="fields">More of it.</param>
    public void Add(SandboxId id, string level, string message, params ReadOnlySpan<(string Name, string Value)> fields)
    {
        var map = new Dictionary<string, string>();
        foreach (var (name, value) in fields)
            map[name] = value;
        Of(id).Add(time.GetUtcNow(), level, message, map);
    }

    /// <summary>All that is kept, the oldest first.</summary>
    public List<LogEntryBody> Read(SandboxInfo info)
    {
        var log = Of(info.Id);
        if (info.State == SandboxState.Running)
            log.AddConsole(time.GetUtcNow(), Encoding.UTF8.GetString(sandboxes.ReadConsole(info.Id, MaxConsole)));
        return log.Entries;
    }

    private Log Of(SandboxId id)
    {
        if (!_logs.ContainsKey(id))
        {
            foreach (var gone in _logs.Keys.Where(known => sandboxes.TryGet(known) is null))
                _logs.TryRemove(gone, out _);
        }
        return _logs.GetOrAdd(id, _ => new Log());
    }

    private sealed class Log
    {
        private readonly Lock _lock = new();
        private readonly Queue<LogEntryBody> _entries = [];
        private DateTimeOffset _last;
        private string _console = "";

        public List<LogEntryBody> Entries
        {
            get
            {
                lock (_lock)
                    return [.. _entries];
            }
        }

        public void Add(DateTimeOffset now, string level, string message, Dictionary<string, string> fields)
        {
            lock (_lock)
            {
                // Clients go on behind the millisecond of the last that they have.
                now = DateTimeOffset.FromUnixTimeMilliseconds(now.ToUnixTimeMilliseconds());
                _last = now > _last ? now : _last.AddMilliseconds(1);
                _entries.Enqueue(new LogEntryBody(_last, message.Length <= MaxMessage ? message : message[..MaxMessage], level, fields));
                if (_entries.Count > Kept)
                    _entries.Dequeue();
            }
        }

        /// <summary>Its console has no times: what is new there is of the time when it is seen first.</summary>
        public void AddConsole(DateTimeOffset now, string console)
        {
            string news;
            lock (_lock)
            {
                news = console.StartsWith(_console, StringComparison.Ordinal) ? console[_console.Length..] : console;
                news = news[..(news.LastIndexOf('\n') + 1)]; // whole lines
                _console = console[..(console.LastIndexOf('\n') + 1)];
            }
            foreach (var line in news.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                Add(now, "debug", line, new Dictionary<string, string> { ["source"] = "console" });
        }
    }
}
