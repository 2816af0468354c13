using Mitos.Engine;
using Mitos.Engine.Machines;
using Mitos.Engine.SelfTest;
using Mitos.Linux.Cgroups;

namespace Mitos.ConformanceTests.Firecracker;

/// <summary>All that a rig has of its host, so that what is left behind can be told: directories, layers, mounts, cgroups, processes, descriptors.</summary>
internal static class Holdings
{
    // Memory files: of a generation, and those that each process gets.
    private static readonly string[] Ours = ["/memfd:probe", "/memfd:device-state", "/memfd:diff"];

    public static SortedSet<string> Of(EngineOptions options)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var directory in (string[])[options.StateDirectory, options.RunDirectory])
        {
            if (Directory.Exists(directory))
                found.Add(directory);
            Add(Path.Combine(directory, "layers"));
            Add(Path.Combine(directory, "volume", "layers"));
        }
        Add(MachineHost.RunRootOf(options));
        found.UnionWith(File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')[4]).Where(path => path.StartsWith(options.StateDirectory + "/", StringComparison.Ordinal)).Select(path => "mount " + path));
        foreach (var group in CgroupHierarchy.Probe().Roots.Select(root => Path.Combine(root, "mitos", ProbeRig.EngineIdOf(options))).Where(Directory.Exists))
            found.UnionWith(Directory.GetDirectories(group, "*", SearchOption.AllDirectories).Append(group).Select(path => "cgroup " + path));
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(path => char.IsAsciiDigit(path[6])))
        {
            if (ReadOrNothing(() => File.ReadAllText(process + "/cgroup")).Contains($"/mitos/{ProbeRig.EngineIdOf(options)}/", StringComparison.Ordinal))
                found.Add("process " + process[6..]);
        }
        foreach (var descriptor in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            var target = ReadOrNothing(() => new FileInfo(descriptor).LinkTarget);
            if (Ours.Any(name => target.StartsWith(name, StringComparison.Ordinal)) || target.StartsWith(options.StateDirectory + "/", StringComparison.Ordinal))
                found.Add($"descriptor {Path.GetFileName(descriptor)} of {target}");
        }
        return found;

        void Add(string directory)
        {
            if (Directory.Exists(directory))
                found.UnionWith(Directory.EnumerateFileSystemEntries(directory));
        }
    }

    // What it is of may have ended meanwhile.
    private static string ReadOrNothing(Func<string?> read)
    {
        try
        {
            return read() ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
