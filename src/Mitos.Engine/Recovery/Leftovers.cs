using System.Globalization;
using Mitos.Engine.Machines;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Processes;

namespace Mitos.Engine.Recovery;

/// <summary>What an engine that was killed left running: shells, half-made children.</summary>
internal static class Leftovers
{
    /// <summary>Ends the VMMs of an engine that are not among <paramref name="alive"/>, and removes their directories and cgroups.</summary>
    /// <param name="runRoot">Where their run directories are.</param>
    /// <param name="engineId">See <see cref="MachineHost.GroupName"/>.</param>
    /// <param name="cgroups">Where their cgroups are.</param>
    /// <param name="alive">Ids of VMMs that stay.</param>
    public static async Task EndAsync(string runRoot, string engineId, CgroupHierarchy cgroups, IReadOnlySet<string> alive)
    {
        var ids = Directory.Exists(runRoot) ? Directory.EnumerateDirectories(runRoot).Select(Path.GetFileName).OfType<string>().ToHashSet() : [];
        foreach (var root in cgroups.Roots.Select(root => Path.Combine(root, "mitos", engineId)).Where(Directory.Exists))
            ids.UnionWith(Directory.EnumerateDirectories(root).Select(Path.GetFileName).OfType<string>());
        foreach (var id in ids.Except(alive))
        {
            var group = Cgroup.Open(cgroups, MachineHost.GroupName(engineId, id));
            foreach (var pid in group.Processes().Concat(ReadPid(Path.Combine(runRoot, id))).Distinct())
            {
                if (HostProcess.TryOpenAny(pid) is not { } process)
                    continue;
                // A number may be another's by now; and what was only about to become a VMM has no name yet, but is in its group.
                if (group.Processes().Contains(pid) || IsOurs(pid, id))
                {
                    process.Kill();
                    await process.Exited.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
                process.Dispose();
            }
            for (var i = 0; i < 100 && !group.TryRemove(); i++)
                await Task.Delay(1);
            if (Directory.Exists(Path.Combine(runRoot, id)))
                Directory.Delete(Path.Combine(runRoot, id), recursive: true);
        }
    }

    private static IEnumerable<int> ReadPid(string runDirectory)
    {
        var path = MachineHost.PidPath(runDirectory);
        if (File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var pid))
            yield return pid;
    }

    // Every VMM has its id among its arguments: a recycled pid does not have that.
    private static bool IsOurs(int pid, string vmmId)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0').Contains(vmmId);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
