namespace Mitos.Linux.Tests.Hosting;

/// <summary>Open descriptors of a process, as the kernel lists them.</summary>
internal static class Descriptors
{
    /// <summary>What each is: a path, or a kind with a number.</summary>
    public static SortedDictionary<int, string> Of(int pid)
    {
        var found = new SortedDictionary<int, string>();
        foreach (var link in Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd"))
        {
            if (new FileInfo(link).LinkTarget is { } target) // not the one that lists
                found[int.Parse(Path.GetFileName(link))] = target;
        }
        return found;
    }

    /// <summary>Runs what must leave no descriptor open and no child behind, twice: the first time may open what stays for good.</summary>
    public static void AssertNoneLeft(Action action)
    {
        action();
        var before = Of(Environment.ProcessId);
        action();
        var after = Of(Environment.ProcessId);
        // what goes a moment later goes by the end of a task, not by a collection
        for (var i = 0; i < 200 && after.Count > before.Count; i++, after = Of(Environment.ProcessId))
            Thread.Sleep(10);
        Assert.True(after.Count <= before.Count, "left open: " + string.Join(", ", after.Where(pair => !before.ContainsKey(pair.Key)).Select(pair => $"{pair.Key} = {pair.Value}")));
        Assert.DoesNotContain(Children(), child => StateOf(child) == 'Z');
    }

    private static List<int> Children() => Directory.EnumerateDirectories("/proc/self/task")
        .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(int.Parse).ToList();

    private static char StateOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return 'X';
        }
    }
}
