using System.Diagnostics;

namespace Mitos.Cli.Tests.Hosting;

/// <summary>Everything that an installation has on the host: a leak of any kind shows here.</summary>
/// <param name="Vmms">Processes in the engine's cgroups.</param>
/// <param name="Programs">Other processes of the installation: daemons, command lines, tools of builds.</param>
/// <param name="RunEntries">Directories of VMMs.</param>
/// <param name="Cgroups">Their cgroups, each hierarchy's.</param>
/// <param name="Layers">Files of disks.</param>
/// <param name="Generations">Directories of generations.</param>
/// <param name="Mounts">Mounts below its directories.</param>
/// <param name="Drafts">Files that something half-made leaves.</param>
public sealed record Inventory(
    List<string> Vmms, List<string> Programs, List<string> RunEntries, List<string> Cgroups, List<string> Layers, List<string> Generations, List<string> Mounts, List<string> Drafts)
{
    private static readonly string[] Hierarchies = ["", "memory", "pids", "cpu", "cpuacct", "cpu,cpuacct", "unified"];

    public static Inventory Take(Installation mitos)
    {
        var engine = Path.Combine(mitos.StateDirectory, "engine.json");
        var id = File.Exists(engine) ? File.ReadAllText(engine).Split('"')[3] : "none";
        var processes = Process.GetProcesses().Select(process => process.Id).ToList();
        var vmms = processes.Where(pid => Read(pid, "cgroup").Contains($"/mitos/{id}/", StringComparison.Ordinal)).ToList();
        return new(
            vmms.Select(Describe).ToList(),
            processes.Except(vmms).Where(pid => Read(pid, "environ").Split('\0').Contains($"MITOS_STATE={mitos.StateDirectory}")).Select(Describe).ToList(),
            Entries(Path.Combine(mitos.RunDirectory, "v")),
            Hierarchies.SelectMany(hierarchy => Directories(Path.Combine("/sys/fs/cgroup", hierarchy, "mitos", id))).ToList(),
            Entries(Path.Combine(mitos.StateDirectory, "layers")), Entries(Path.Combine(mitos.StateDirectory, "generations")),
            File.ReadLines("/proc/self/mounts").Where(line => line.Contains(mitos.RunDirectory, StringComparison.Ordinal) || line.Contains(mitos.StateDirectory + "/", StringComparison.Ordinal)).ToList(),
            FindDrafts(mitos));
    }

    /// <summary>Whether anything of a machine is there, also of one that is just being ended.</summary>
    public bool HasMachines => Vmms.Count + RunEntries.Count + Cgroups.Count > 0;

    /// <summary>That there are so many machines, each with all that belongs to it, and nothing half-made.</summary>
    public void RequireMachines(int count)
    {
        Assert.True(Vmms.Count == count, $"{count} machines are expected, there are {Vmms.Count}: {string.Join(", ", Vmms)}");
        Assert.Equal(count, RunEntries.Count);
        Assert.True(Cgroups.GroupBy(Path.GetFileName).Count() == count, "cgroups: " + string.Join(", ", Cgroups));
        Assert.Empty(Mounts);
        Assert.Empty(Drafts);
    }

    /// <summary>That no machine, template, process, mount, cgroup or half-made file is there.</summary>
    public void RequireNothing()
    {
        RequireMachines(0);
        Assert.Empty(Programs);
        Assert.Empty(Layers);
        Assert.Empty(Generations);
    }

    private static List<string> FindDrafts(Installation mitos)
    {
        var cache = mitos.Environment["MITOS_CACHE"];
        return new[] { mitos.StateDirectory, cache }.Where(Directory.Exists)
            .SelectMany(root => Directory.EnumerateFileSystemEntries(root!, "*", SearchOption.AllDirectories))
            .Where(path => Path.GetFileName(path) is var name && (name.Contains(".draft", StringComparison.Ordinal) || name.EndsWith(".new", StringComparison.Ordinal)))
            .Concat(Entries(mitos.RunDirectory).Where(path => Path.GetFileName(path).StartsWith("initramfs", StringComparison.Ordinal))).ToList();
    }

    private static List<string> Entries(string directory) => Directory.Exists(directory) ? Directory.GetFileSystemEntries(directory).ToList() : [];

    private static string[] Directories(string directory) => Directory.Exists(directory) ? Directory.GetDirectories(directory) : [];

    private static string Describe(int pid) => $"{pid} {Read(pid, "cmdline").Replace('\0', ' ')}"[..Math.Min(200, $"{pid} {Read(pid, "cmdline")}".Length)];

    // Processes end while they are looked at.
    /// <summary>A file of a process; empty when the process is gone.</summary>
    internal static string Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
