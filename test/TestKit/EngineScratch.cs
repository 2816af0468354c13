using System.Diagnostics;
using System.Security.Cryptography;
using Mitos.Engine;

namespace Mitos.TestKit;

/// <summary>Directories of one engine under test, and what must not be left in them.</summary>
public sealed class EngineScratch
{
    private readonly string _id = RandomNumberGenerator.GetHexString(6, lowercase: true);

    public EngineScratch() => Options = new EngineOptions
    {
        StateDirectory = $"/var/tmp/mitos-test-{_id}", RunDirectory = $"/tmp/mt-{_id}", WarmShells = 2,
        GuestDirectory = Environment.GetEnvironmentVariable("MITOS_GUEST_DIR")
            ?? throw new InvalidOperationException("MITOS_GUEST_DIR must name the directory of mitos-guest; `./mitos test` sets it."),
    };

    public EngineOptions Options { get; }

    /// <summary>What an engine without sandboxes and templates must not have, and has.</summary>
    public List<string> FindLeaks()
    {
        var leaks = new List<string>();
        foreach (var folder in new[] { "layers", "generations", "sandboxes", "templates" })
            leaks.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(Options.StateDirectory, folder)));
        leaks.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(Options.RunDirectory, "v")));
        var engine = File.ReadAllText(Path.Combine(Options.StateDirectory, "engine.json")).Split('"')[3];
        foreach (var root in new[] { "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu" })
        {
            var groups = Path.Combine(root, "mitos", engine);
            if (Directory.Exists(groups))
                leaks.AddRange(Directory.EnumerateDirectories(groups));
        }
        foreach (var process in Process.GetProcessesByName("qemu-system-x86"))
        {
            if (ReadUserId(process.Id) is { } uid && uid >= Options.FirstUserId && File.ReadAllText($"/proc/{process.Id}/cmdline").Contains(Options.RunDirectory, StringComparison.Ordinal))
                leaks.Add($"process {process.Id}");
        }
        return leaks;
    }

    /// <summary>Removes the directories. The engine has ended.</summary>
    /// <exception cref="InvalidOperationException">Something had leaked.</exception>
    public void Delete()
    {
        var leaks = FindLeaks();
        Directory.Delete(Options.StateDirectory, recursive: true);
        Directory.Delete(Options.RunDirectory, recursive: true);
        if (leaks.Count > 0)
            throw new InvalidOperationException("left behind: " + string.Join(", ", leaks));
    }

    // Null: it has ended.
    private static int? ReadUserId(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(line => line.StartsWith("Uid:", StringComparison.Ordinal));
            return line is null ? null : int.Parse(line.Split('\t')[1]);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
