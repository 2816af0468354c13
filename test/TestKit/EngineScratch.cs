using System.Security.Cryptography;
using Mitos.Engine;

namespace Mitos.TestKit;

/// <summary>Directories of one engine under test, and what must not be left in them.</summary>
public sealed class EngineScratch
{
    private readonly string _id = RandomNumberGenerator.GetHexString(6, lowercase: true);

    private readonly Belongings _belongings;

    public EngineScratch()
    {
        Options = new EngineOptions
        {
            StateDirectory = $"/var/tmp/mitos-test-{_id}",
            RunDirectory = $"/tmp/mt-{_id}",
            WarmShells = 2,
            GuestDirectory = Environment.GetEnvironmentVariable("MITOS_GUEST_DIR")
                ?? throw new InvalidOperationException("MITOS_GUEST_DIR must name the directory of mitos-guest; `./mitos test` sets it."),
        };
        _belongings = new Belongings(Options.StateDirectory, Options.RunDirectory);
    }

    public EngineOptions Options { get; }

    /// <summary>What an engine without sandboxes and templates must not have, and has.</summary>
    public List<string> FindLeaks()
    {
        var leaks = new List<string>();
        foreach (var folder in new[] { "layers", "generations", "sandboxes", "templates", "snapshots" })
            leaks.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(Options.StateDirectory, folder)));
        leaks.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(Options.RunDirectory, "v")));
        foreach (var groups in Groups().Where(Directory.Exists))
            leaks.AddRange(Directory.EnumerateDirectories(groups));
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(path => char.IsAsciiDigit(path[6])))
        {
            if (ReadGroups(process).Contains($"/mitos/{EngineId}/", StringComparison.Ordinal))
                leaks.Add($"process {process[6..]}");
        }
        return leaks;
    }

    /// <summary>Removes the directories. The engine has ended.</summary>
    /// <exception cref="InvalidOperationException">Something had leaked.</exception>
    public void Delete()
    {
        var leaks = FindLeaks();
        foreach (var groups in Groups().Where(Directory.Exists).Where(groups => !Directory.EnumerateDirectories(groups).Any()))
            Directory.Delete(groups);
        Directory.Delete(Options.StateDirectory, recursive: true);
        Directory.Delete(Options.RunDirectory, recursive: true);
        _belongings.Dispose();
        if (leaks.Count > 0)
            throw new InvalidOperationException("left behind: " + string.Join(", ", leaks));
    }

    private string EngineId => File.ReadAllText(Path.Combine(Options.StateDirectory, "engine.json")).Split('"')[3];

    private IEnumerable<string> Groups() =>
        new[] { "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu" }.Select(root => Path.Combine(root, "mitos", EngineId));

    private static string ReadGroups(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cgroup"));
        }
        catch (IOException)
        {
            return ""; // it has ended
        }
    }
}
