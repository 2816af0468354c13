using System.Text.RegularExpressions;

namespace Mitos.Linux.Cgroups;

/// <summary>Where the controllers memory, cpu and pids of this host are, and that of disks.</summary>
public sealed partial class CgroupHierarchy
{
    private static readonly string[] Controllers = ["memory", "cpu", "pids"];

    private CgroupHierarchy(int version, IReadOnlyList<string> roots, IReadOnlyList<string> missing, bool hasDisks = false)
    {
        Version = version;
        Roots = roots;
        Missing = missing;
        HasDisks = hasDisks;
    }

    /// <summary>1 or 2; 0 when no controller was found.</summary>
    public int Version { get; }

    /// <summary>Root directories: one per controller for version 1, one for version 2.</summary>
    public IReadOnlyList<string> Roots { get; }

    /// <summary>Controllers that this host lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Whether it can limit the use of disks. Version 1 sees reads, and writes that a process waits for itself: what the kernel writes back later is nobody's there.</summary>
    public bool HasDisks { get; }

    /// <summary>Reads /proc/self/mounts. Version 2 is taken when it has all controllers, else version 1.</summary>
    public static CgroupHierarchy Probe() => From(File.ReadLines("/proc/self/mounts"));

    /// <param name="lines">As in /proc/self/mounts: device, directory, kind and options.</param>
    internal static CgroupHierarchy From(IEnumerable<string> lines)
    {
        var mounts = lines.Select(line => line.Split(' ').Select(Unescape).ToArray()).ToList();
        foreach (var mount in mounts.Where(mount => mount[2] == "cgroup2"))
        {
            var has = File.ReadAllText(Path.Combine(mount[1], "cgroup.controllers")).Split([' ', '\n']);
            if (Controllers.All(has.Contains))
                return new CgroupHierarchy(2, [mount[1]], [], has.Contains("io"));
        }
        var roots = new List<string>();
        var missing = new List<string>();
        foreach (var controller in Controllers)
        {
            if (!TryAdd(controller))
                missing.Add(controller);
        }
        var hasDisks = TryAdd("blkio");
        return new CgroupHierarchy(roots.Count > 0 ? 1 : 0, roots, missing, hasDisks);

        bool TryAdd(string controller)
        {
            if (mounts.FirstOrDefault(mount => mount[2] == "cgroup" && mount[3].Split(',').Contains(controller)) is not { } mount)
                return false;
            if (!roots.Contains(mount[1]))
                roots.Add(mount[1]);
            return true;
        }
    }

    /// <summary>One root, whatever controllers it has.</summary>
    internal static CgroupHierarchy At(int version, string root) => new(version, [root], []);

    // proc(5): blanks, tabs, line feeds and backslashes are \ooo.
    private static string Unescape(string field) => Escapes().Replace(field, match => ((char)Convert.ToInt32(match.Value[1..], 8)).ToString());

    [GeneratedRegex(@"\\[0-7]{3}")]
    private static partial Regex Escapes();

    /// <summary>Version 2: lets the children of <paramref name="directory"/> use the controllers; makes the directories on the way.</summary>
    internal void EnableControllers(string directory)
    {
        if (directory != Roots[0])
            EnableControllers(Path.GetDirectoryName(directory)!);
        Directory.CreateDirectory(directory);
        var control = Path.Combine(directory, "cgroup.subtree_control");
        var enabled = File.ReadAllText(control).Split([' ', '\n']);
        foreach (var controller in Controllers.Concat(HasDisks ? ["io"] : []).Where(controller => !enabled.Contains(controller)))
            File.WriteAllText(control, "+" + controller);
    }
}
