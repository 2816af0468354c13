using System.Globalization;

namespace Mitos.EndToEnd.Hosting;

/// <summary>What the kernel says of processes.</summary>
internal static class Procfs
{
    /// <summary>Whether it runs; one that has ended and that nobody waited for does not.</summary>
    public static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Waits until a process has ended; nothing here depends on how long that takes.</summary>
    public static async Task WaitEndAsync(int pid)
    {
        var limit = DateTime.UtcNow + TimeSpan.FromSeconds(60);
        while (IsAlive(pid))
        {
            Assert.True(DateTime.UtcNow < limit, $"process {pid} does not end");
            await Task.Delay(10);
        }
    }

    /// <summary>The most memory that a process ever had, bytes (VmHWM).</summary>
    public static long PeakMemory(int pid) => long.Parse(
        File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;

    /// <summary>The memory that a process has now, bytes (VmRSS).</summary>
    public static long Memory(int pid) => long.Parse(
        File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;

    /// <summary>How many descriptors a process has open.</summary>
    public static int Descriptors(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Length;

    /// <summary>Lets VmHWM begin anew (proc(5), clear_refs).</summary>
    public static void ResetPeakMemory(int pid) => File.WriteAllText($"/proc/{pid}/clear_refs", "5");

    /// <summary>Living processes that have a file of one of these directories open, or name one in their command line. VMMs get all they use as descriptors.</summary>
    public static List<int> UsersOf(params string[] directories)
    {
        var found = new List<int>();
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out var pid) && pid != Environment.ProcessId && IsAlive(pid) && Uses(process, directories))
                found.Add(pid);
        }
        return found;
    }

    public static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' ');
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static bool Uses(string process, string[] directories)
    {
        try
        {
            var names = Directory.EnumerateFiles(process + "/fd").Select(path => new FileInfo(path).LinkTarget ?? "").Append(File.ReadAllText(process + "/cmdline"));
            return names.Any(name => directories.Any(directory => name.Contains(directory, StringComparison.Ordinal)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // it ended while it was looked at
        }
    }
}
