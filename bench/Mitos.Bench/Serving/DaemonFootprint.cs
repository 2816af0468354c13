using System.Globalization;
using System.Text.Json.Nodes;

namespace Mitos.Bench.Serving;

/// <summary>What a daemon holds.</summary>
/// <param name="ResidentMiB">Its own memory.</param>
/// <param name="Descriptors">Open descriptors.</param>
/// <param name="Threads">Its threads.</param>
/// <param name="Children">Processes that it started and that are there.</param>
/// <param name="Machines">Run directories of VMMs, shells included.</param>
/// <param name="Layers">Disk layers.</param>
/// <param name="Snapshots">Captures on disk.</param>
internal sealed record DaemonFootprint(long ResidentMiB, int Descriptors, int Threads, int Children, int Machines, int Layers, int Snapshots)
{
    public static DaemonFootprint Read(DaemonUnderTest daemon)
    {
        var status = File.ReadLines($"/proc/{daemon.Pid}/status").Select(line => line.Split(':', 2)).ToDictionary(parts => parts[0], parts => parts[1].Trim());
        return new DaemonFootprint(
            long.Parse(status["VmRSS"].Split(' ')[0], CultureInfo.InvariantCulture) >> 10,
            Directory.GetFileSystemEntries($"/proc/{daemon.Pid}/fd").Length,
            int.Parse(status["Threads"], CultureInfo.InvariantCulture),
            CountChildren(daemon.Pid),
            Count(Path.Combine(daemon.Run, "v")), Count(Path.Combine(daemon.State, "layers")), Count(Path.Combine(daemon.State, "snapshots")));
    }

    public JsonObject ToJson() => new()
    {
        ["residentMiB"] = ResidentMiB,
        ["descriptors"] = Descriptors,
        ["threads"] = Threads,
        ["children"] = Children,
        ["machines"] = Machines,
        ["layers"] = Layers,
        ["snapshots"] = Snapshots,
    };

    // The parent is the second field after the name, which is in brackets and may hold anything.
    private static int CountChildren(int pid)
    {
        var parent = pid.ToString(CultureInfo.InvariantCulture);
        var count = 0;
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(path => char.IsAsciiDigit(path[6])))
        {
            try
            {
                var stat = File.ReadAllText(Path.Combine(process, "stat"));
                count += stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == parent ? 1 : 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // it ended meanwhile
            }
        }
        return count;
    }

    private static int Count(string directory) => Directory.Exists(directory) ? Directory.GetFileSystemEntries(directory).Length : 0;
}
