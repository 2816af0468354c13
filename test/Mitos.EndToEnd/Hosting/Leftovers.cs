using System.Text.Json;
using Mitos.Contracts;

namespace Mitos.EndToEnd.Hosting;

/// <summary>What a daemon has on this host beyond what its sandboxes and templates are made of. Each method names every surplus and every lack.</summary>
public sealed class Leftovers(Daemon daemon)
{
    private static readonly string[] CgroupRoots = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"];

    private string EngineId => Json(Path.Combine(daemon.StateDirectory, "engine.json")).GetProperty("id").GetString()!;

    /// <summary>After everything was removed and the daemon has ended.</summary>
    internal List<string> OfNothing()
    {
        var left = Procfs.UsersOf(daemon.StateDirectory, daemon.RunDirectory).Select(pid => $"process {pid} ({Procfs.CommandLine(pid)})").ToList();
        left.AddRange(Entries("layers").Concat(Entries("generations")).Concat(Entries("sandboxes")).Concat(Entries("templates")).Concat(Entries("snapshots")));
        left.AddRange(Directory.EnumerateFileSystemEntries(daemon.RunDirectory).Where(path => Path.GetFileName(path) != "v"));
        left.AddRange(Directory.EnumerateFileSystemEntries(Path.Combine(daemon.RunDirectory, "v")));
        left.AddRange(Cgroups().Select(id => $"cgroup {id}"));
        left.AddRange(Mounts().Where(mount => mount != daemon.StateDirectory).Select(mount => $"mount {mount}"));
        return left;
    }

    /// <summary>Removes the empty groups above those of machines, which a daemon keeps for its next start.</summary>
    internal void RemoveParents()
    {
        foreach (var group in CgroupRoots.Select(root => Path.Combine(root, "mitos", EngineId)).Where(Directory.Exists))
            Directory.Delete(group);
    }

    /// <summary>Directly after a daemon started anew: there are no warm shells yet, so all machines are those of sandboxes.</summary>
    internal async Task<List<string>> OfRunningAsync()
    {
        var sandboxes = await daemon.ListAsync();
        var running = sandboxes.Where(sandbox => sandbox.State == "running").ToList();
        var journals = Entries("sandboxes").Where(path => path.EndsWith(".json", StringComparison.Ordinal)).Select(Json).ToList();
        var machines = journals.Select(journal => journal.GetProperty("machine")).Where(machine => running.Any(sandbox => sandbox.VmmPid == machine.GetProperty("pid").GetInt32())).ToList();
        var vmms = machines.Select(machine => machine.GetProperty("vmmId").GetString()!).ToList();
        var generations = Entries("templates").Select(path => Json(path).GetProperty("generation").GetString()!).ToList();
        var snapshots = Entries("snapshots").Select(path => Json(Path.Combine(path, "snapshot.json"))).ToList(); // fails of one that is half-made
        var paused = snapshots.Where(snapshot => snapshot.TryGetProperty("pausedSandbox", out var of) && of.ValueKind == JsonValueKind.String).Select(snapshot => $"{Text(snapshot, "pausedSandbox")} in {Text(snapshot, "id")}");
        var layers = machines.SelectMany(LayersOf).Concat(snapshots.SelectMany(snapshot => Layers(snapshot, "frozen"))).Concat(generations.SelectMany(generation => Layers(Json(Path.Combine(daemon.StateDirectory, "generations", generation, "generation.json")), "layers")));

        var problems = new List<string>();
        Compare("process", running.Select(sandbox => $"{sandbox.VmmPid}").Append($"{daemon.Pid}"), Procfs.UsersOf(daemon.StateDirectory, daemon.RunDirectory).Select(pid => $"{pid}"));
        Compare("run directory", vmms, Directory.EnumerateFileSystemEntries(Path.Combine(daemon.RunDirectory, "v")).Select(path => Path.GetFileName(path)));
        Compare("entry of the run directory", ["v", "mitosd.sock", "engine"], Directory.EnumerateFileSystemEntries(daemon.RunDirectory).Select(path => Path.GetFileName(path)));
        Compare("cgroup", vmms, Cgroups());
        Compare("mount", [], Mounts().Where(mount => mount != daemon.StateDirectory));
        Compare("journal", sandboxes.Select(sandbox => sandbox.Id + ".json"), Entries("sandboxes").Select(path => Path.GetFileName(path)));
        Compare("layer", layers.Select(layer => layer + ".layer").Distinct(), Entries("layers").Select(path => Path.GetFileName(path)));
        Compare("generation", generations, Entries("generations").Select(path => Path.GetFileName(path)));
        Compare("paused", journals.Where(journal => Text(journal, "state") == "Paused").Select(journal => $"{Text(journal, "id")} in {Text(journal, "snapshot")}"), paused);
        return problems;

        static string Text(JsonElement record, string property) => record.GetProperty(property).GetString()!;

        void Compare(string what, IEnumerable<string> expected, IEnumerable<string> found)
        {
            var (wanted, there) = (expected.ToHashSet(), found.ToHashSet());
            problems.AddRange(there.Except(wanted).Select(item => $"{what} {item} belongs to nobody"));
            problems.AddRange(wanted.Except(there).Select(item => $"{what} {item} is missing"));
        }
    }

    private static IEnumerable<string> LayersOf(JsonElement machine) =>
        Layers(machine, "frozen").Append(machine.GetProperty("active").GetString()!)
            .Concat(machine.TryGetProperty("next", out var next) && next.GetString() is { } name ? [name] : [])
            .Concat(Layers(machine.GetProperty("generation"), "layers"));

    private static IEnumerable<string> Layers(JsonElement owner, string property) => owner.GetProperty(property).EnumerateArray().Select(layer => layer.GetString()!);

    private IEnumerable<string> Entries(string folder) => Directory.EnumerateFileSystemEntries(Path.Combine(daemon.StateDirectory, folder));

    private HashSet<string> Cgroups() => CgroupRoots.Select(root => Path.Combine(root, "mitos", EngineId)).Where(Directory.Exists)
        .SelectMany(Directory.EnumerateDirectories).Select(path => Path.GetFileName(path)).ToHashSet();

    private IEnumerable<string> Mounts() => File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')[1])
        .Where(mount => mount.StartsWith(daemon.StateDirectory, StringComparison.Ordinal) || mount.StartsWith(daemon.RunDirectory, StringComparison.Ordinal));

    private static JsonElement Json(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
}
