using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Mitos.Engine.Recovery;
using Mitos.Linux.Cgroups;
using Mitos.Linux.Processes;

namespace Mitos.TestKit;

/// <summary>
/// What tests have on this host that outlives their process, written down before it is there. Of a process of tests that was killed the next one ends and removes it: processes
/// by number and time of start, a daemon by its hold on its state directory, machines by the cgroups of their engine.
/// </summary>
public sealed class Belongings : IDisposable
{
    private const string Records = "/var/tmp/mitos-tests", Own = "owner", Directories = "directory", Processes = "process";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly Lazy<bool> Swept = new(() => Task.Run(SweepAsync).Wait(Timeout.Infinite));
    private readonly string _record;

    /// <param name="directories">Of an engine that of its state and that of its run; they need not exist yet.</param>
    public Belongings(params string[] directories)
    {
        _ = Swept.Value;
        _record = Path.Combine(Records, Guid.NewGuid().ToString("n"));
        File.WriteAllLines(_record, directories.Select(directory => $"{Directories} {directory}").Prepend($"{Own} {Describe(Environment.ProcessId)}"));
    }

    public void Add(string directory) => File.AppendAllText(_record, $"{Directories} {directory}\n");

    /// <summary>A process that runs.</summary>
    public void Add(int pid) => File.AppendAllText(_record, $"{Processes} {Describe(pid)}\n");

    /// <summary>Nothing is left of it, or what is left is to be looked at.</summary>
    public void Dispose() => File.Delete(_record);

    private static async Task<bool> SweepAsync()
    {
        Directory.CreateDirectory(Records);
        await using var turn = await TakeTurnAsync();
        foreach (var record in Directory.EnumerateFiles(Records).Where(path => Path.GetExtension(path) != ".lock").ToList())
        {
            var lines = File.ReadAllLines(record).Select(line => line.Split(' ', 2)).Where(line => line.Length == 2).ToList();
            if (lines.Count == 0 || lines[0][0] != Own)
                continue; // it is just being written
            using (var owner = Open(lines[0][1]))
            {
                if (owner is not null)
                    continue;
            }
            foreach (var process in lines.Where(line => line[0] == Processes))
                await EndAsync(Open(process[1]));
            await RemoveAsync(lines.Where(line => line[0] == Directories).Select(line => line[1]).ToList());
            File.Delete(record);
        }
        return true;
    }

    private static async Task RemoveAsync(List<string> directories)
    {
        directories = directories.Where(Directory.Exists).ToList();
        foreach (var state in directories)
        {
            await EndAsync(HolderOf(Path.Combine(state, "lock")));
            var engine = Path.Combine(state, "engine.json");
            if (!File.Exists(engine))
                continue;
            var id = JsonDocument.Parse(await File.ReadAllTextAsync(engine)).RootElement.GetProperty("id").GetString()!;
            foreach (var run in directories.Where(other => other != state))
                await Leftovers.EndAsync(Path.Combine(run, "v"), id, CgroupHierarchy.Probe(), new HashSet<string>());
            foreach (var group in CgroupHierarchy.Probe().Roots.Select(root => Path.Combine(root, "mitos", id)).Where(Directory.Exists))
                Directory.Delete(group);
        }
        foreach (var mount in File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')[1]).Where(mount => directories.Any(directory => mount == directory || mount.StartsWith(directory + "/", StringComparison.Ordinal))).Reverse().ToList())
        {
            using var umount = Process.Start("umount", [mount]);
            await umount.WaitForExitAsync();
        }
        foreach (var directory in directories)
            Directory.Delete(directory, recursive: true);
    }

    // Who wrote his number into the file is the holder only if he has it open.
    private static HostProcess? HolderOf(string file)
    {
        try
        {
            return int.TryParse(File.ReadAllText(file).Trim().Split('\n')[0], CultureInfo.InvariantCulture, out var pid) && HostProcess.TryOpenAny(pid) is { } process
                && Directory.EnumerateFiles($"/proc/{pid}/fd").Any(open => new FileInfo(open).LinkTarget == file) ? process : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static async Task EndAsync(HostProcess? process)
    {
        if (process is null)
            return;
        process.Kill();
        await process.Exited.WaitAsync(Limit);
        process.Dispose();
    }

    private static string Describe(int pid)
    {
        using var process = HostProcess.TryOpenAny(pid);
        return $"{pid} {process?.StartTime ?? 0}";
    }

    private static HostProcess? Open(string described) => described.Split(' ') is [var pid, var start]
        ? HostProcess.TryOpen(int.Parse(pid, CultureInfo.InvariantCulture), ulong.Parse(start, CultureInfo.InvariantCulture)) : null;

    // One process at a time: two run beside each other.
    private static async Task<FileStream> TakeTurnAsync()
    {
        while (true)
        {
            try
            {
                return new FileStream(Path.Combine(Records, "turn.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                await Task.Delay(100);
            }
        }
    }
}
